import { execFileSync } from 'node:child_process'; import fs from 'node:fs'; import { test } from 'vitest'; import { parseCsvRows } from '../../src/domain/csv.ts';
test('pandas', () => {
  const al=['a','"','"',',','\n','\r',' ','\t','é',''];
  const texts: string[]=[]; for(let i=0;i<6000;i++){ let s=''; const n=1+Math.floor(Math.random()*14); for(let k=0;k<n;k++) s+=al[Math.floor(Math.random()*al.length)]; texts.push(s);} 
  fs.writeFileSync('/tmp/w/texts.json', JSON.stringify(texts));
  const py=`
import json, io, pandas as pd
out=[]
for t in json.load(open('/tmp/w/texts.json')):
    try:
        d=pd.read_csv(io.BytesIO(t.encode()), header=None, names=list(range(16)), index_col=False, dtype=str, keep_default_na=False, na_values=[])
        out.append([[c if isinstance(c,str) else '' for c in r] for r in d.values.tolist()])
    except Exception as e: out.append(str(e)[:60])
json.dump(out, open('/tmp/w/out.json','w'))
`; execFileSync('/tmp/w/venv/bin/python',['-W','ignore','-c',py]);
  const out=JSON.parse(fs.readFileSync('/tmp/w/out.json','utf8')); let bad=0, same=0, errs=0;
  texts.forEach((t,i)=>{ let mine: any; try { mine=[...parseCsvRows(Buffer.from(t), ',')]; } catch(e: any) { mine=e.message; }
    const theirs=out[i]; if(typeof theirs==='string'){ errs++; if(theirs.includes('No columns')? mine.length===0 : typeof mine==='string') same++; else if(bad++<12) console.log(JSON.stringify(t), JSON.stringify(mine), theirs); return; }
    const trim=(r: string[][])=>JSON.stringify(r.map(x=>{const y=[...x]; while(y.length&&y[y.length-1]==='')y.pop(); return y;}));
    if(typeof mine!=='string' && trim(mine)===trim(theirs)) same++; else if(bad++<12) console.log(JSON.stringify(t), JSON.stringify(mine), JSON.stringify(theirs.map((r: any)=>r.slice(0,6)))); });
  console.log({same,bad,errs});
}, 60000);

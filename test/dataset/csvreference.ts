/**
 * A reader for the tests, one character at a time, as slow and plain as can be: the states are those that the
 * documentation of pandas' tokenizer names.
 */
export function referenceRows(text: string, delimiter = ','): string[][] {
  const rows: string[][] = [];
  for (const line of splitLines(text, delimiter)) {
    if (!/^[ \t]*$/.test(line.replaceAll(delimiter, 'x'))) rows.push(fieldsOf(line, delimiter));
  }
  return rows;
}

function splitLines(text: string, delimiter: string): string[] {
  const lines: string[] = [];
  let line = '';
  let state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    if (state !== 'quoted' && (c === '\n' || c === '\r')) {
      if (c === '\r' && text[i + 1] === '\n') i += 1;
      lines.push(line);
      line = '';
      state = 'start';
      continue;
    }
    line += c;
    if (state === 'quoted') state = c === '"' ? 'closed' : 'quoted';
    else if (c === delimiter) state = 'start';
    else if (c === '"' && state !== 'plain') state = 'quoted';
    else state = 'plain';
  }
  if (state === 'quoted') throw new Error('open quote');
  return line === '' ? lines : [...lines, line];
}

function fieldsOf(line: string, delimiter: string): string[] {
  const fields: string[] = [];
  let field = '';
  let state: 'start' | 'plain' | 'quoted' | 'closed' = 'start';
  for (const c of line) {
    if (state === 'quoted') {
      if (c === '"') state = 'closed';
      else field += c;
    } else if (c === delimiter) {
      fields.push(field);
      field = '';
      state = 'start';
    } else if (c === '"' && state === 'start') {
      state = 'quoted';
    } else if (c === '"' && state === 'closed') {
      field += c;
      state = 'quoted';
    } else {
      field += c;
      state = 'plain';
    }
  }
  return [...fields, field];
}

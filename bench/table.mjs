/** A linear and a boosted model over a table: CSV and Parquet, two processes, the scores written to a file. */
import { createReadStream, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cache } from '../scripts/lib.mjs';
import { table } from './lib/data.mjs';
import { Unavailable } from './lib/measure.mjs';
import { runOurs } from './lib/ours.mjs';
import { python, runPeer } from './lib/peers.mjs';

const ROWS = { normal: 10_000_000, quick: 1_000_000 };
const SIZE = { csv: ['--mini-batch-size', '10mb'], parquet: ['--mini-batch-rows', '100000'] };
const LOOP = { id: 'loop', name: 'pandas loop, one process', formats: ['csv', 'parquet'] };
const POOL = { id: 'pool', name: 'Pool over slices, pandas reads', formats: ['csv'], reader: 'pandas' };
const POOL_ARROW = {
  id: 'pool-arrow',
  peer: 'pool',
  name: 'Pool over slices, pyarrow reads',
  formats: ['csv', 'parquet'],
};
const RAY = { id: 'ray', name: 'Ray Data', formats: ['csv', 'parquet'] };
const RAY_PIECES = {
  id: 'ray-pieces',
  peer: 'ray',
  name: 'Ray Data, the CSV in 16 files',
  formats: ['csv'],
  pieces: true,
};
const DASK = { id: 'dask', name: 'Dask', formats: ['csv', 'parquet'] };
const SPARK = { id: 'spark', name: 'Spark mapInPandas', formats: ['csv', 'parquet'] };

/** Rows in a file, or in the files of a folder, without the header of each. */
async function rowsIn(path) {
  if (statSync(path).isDirectory()) {
    let rows = 0;
    for (const name of readdirSync(path)) if (name.endsWith('.csv')) rows += await rowsIn(join(path, name));
    return rows;
  }
  let lines = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) lines += 1;
  return Math.max(0, lines - 1);
}

/** Calls `body` with a folder for its output, and counts what is in there: a peer that loses rows is not fast. */
async function checked(rows, body) {
  mkdirSync(join(cache, 'bench', 'runs'), { recursive: true });
  const scratch = mkdtempSync(join(cache, 'bench', 'runs', 'table-'));
  try {
    const output = join(scratch, 'scores.csv');
    const ran = await body(output, scratch);
    const found = await rowsIn(output);
    if (found !== rows) throw new Unavailable(`wrote ${found} rows of ${rows}`);
    return ran;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function section(context, format, model, peers) {
  const rows = context.quick ? ROWS.quick : ROWS.normal;
  const { dist, limitSeconds } = context;
  const folder = table(rows);
  const found = ({ seconds, peak, below }, inside) => ({
    perSecond: rows / seconds,
    seconds,
    inside,
    peak,
    below: Math.max(...below),
  });
  const ours = () =>
    checked(rows, async (output, scratch) => {
      const args = ['--input', join(folder, `table.${format}`), ...SIZE[format], '--processes', '2'];
      const result = ['--append-row-to', 'scores.csv', '--output', scratch];
      const scriptArgs = ['--model', model, '--folder', folder];
      return found(await runOurs({ script: 'score.py', args: [...args, ...result], scriptArgs, dist, limitSeconds }));
    });
  const against = ({ id, peer = id, reader = 'pyarrow', pieces }) =>
    checked(rows, async (output, scratch) => {
      const setting = { peer, format, model, folder, output, scratch, reader, pieces };
      const ran = await runPeer(python, 'table.py', setting, { limitSeconds });
      return found(ran, ran.inside);
    });
  return {
    id: `table-${format}-${model}`,
    title: `${model === 'linear' ? 'Linear' : 'Boosted'} model over ${rows.toLocaleString('en')} rows of ${format === 'csv' ? 'CSV' : 'Parquet'}, 2 processes`,
    base: 'ours',
    asked: 'within 10 % of Pool over slices with the same reader, at least eight times Ray Data',
    columns: [
      { key: 'perSecond', head: 'rows a second, whole command', better: 'more' },
      { key: 'seconds', head: 's' },
      { key: 'inside', head: 's without the start' },
      { key: 'peak', head: 'peak MiB of the parent' },
      { key: 'below', head: 'peak MiB of its largest child' },
    ],
    cases: [
      { id: 'ours', name: 'ours', run: ours },
      ...peers
        .filter(({ formats }) => formats.includes(format))
        .map((peer) => ({ id: peer.id, name: peer.name, run: () => against(peer) })),
    ],
  };
}

export async function sections(context) {
  const all = [LOOP, POOL, POOL_ARROW, RAY, RAY_PIECES, DASK, SPARK];
  return [
    section(context, 'csv', 'linear', all),
    section(context, 'parquet', 'linear', all),
    section(context, 'csv', 'boosted', [LOOP, POOL, POOL_ARROW, RAY_PIECES]),
  ];
}

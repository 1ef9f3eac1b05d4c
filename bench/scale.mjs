/** Ours alone: what a mini-batch costs, and what the orchestrator holds, over numbers of mini-batches and of files. */
import { names, timesOf } from './lib/data.mjs';
import { runOurs } from './lib/ours.mjs';
import { rateOf } from './lib/runlog.mjs';

const WORKERS = 2;
/** What all others are compared with, where it is among them. */
const BASE = 100_000;

/** @returns the sizes and the one to compare with */
function sizesOf({ quick, full }, more = []) {
  const sizes = [1000, 10_000, ...(quick ? [] : [BASE, 1_000_000]), ...(full ? more : [])];
  return { sizes, base: Math.min(BASE, Math.max(...sizes)) };
}

async function measured({ dist, limitSeconds }, kind, args, count) {
  const ran = await runOurs({
    ...{ script: 'tasks.py', dist, limitSeconds },
    args: [...args, '--processes', String(WORKERS)],
    env: { BENCH_WORK: JSON.stringify({ kind }) },
    look: timesOf,
  });
  return {
    micros: 1e6 / rateOf(ran.workers),
    parent: (ran.cpu / count) * 1e6,
    peak: ran.peak,
    listing: (ran.creationFinished - ran.creationStarted) / 1000,
    first: (ran.firstBegun - ran.startedAt) / 1000,
    seconds: ran.seconds,
  };
}

const COLUMNS = [
  { key: 'micros', head: 'µs a mini-batch', better: 'less' },
  { key: 'parent', head: "µs of the orchestrator's processor time, start included" },
  { key: 'peak', head: "orchestrator's peak MiB" },
  { key: 'first', head: 's to the first mini-batch' },
  { key: 'listing', head: 's to the last one created' },
  { key: 'seconds', head: 's of the whole command' },
];
const written = (n) => n.toLocaleString('en');

export async function sections(context) {
  const batches = sizesOf(context, [10_000_000]);
  const files = sizesOf(context);
  return [
    {
      id: 'scale-mini-batches',
      title: `Numbers of mini-batches without input, ${WORKERS} processes`,
      base: `ours-${batches.base}`,
      asked: '10,000,000 mini-batches: orchestrator under 500 MB, a mini-batch no dearer than at 100,000',
      ...{ columns: COLUMNS, compared: `cost, times that at ${written(batches.base)}` },
      cases: batches.sizes.map((count) => ({
        id: `ours-${count}`,
        name: `${written(count)} mini-batches`,
        run: () => measured(context, 'row', ['--rank-mini-batch-count', String(count)], count),
      })),
    },
    {
      id: 'scale-files',
      title: `Numbers of files, ten a mini-batch, ${WORKERS} processes`,
      base: `ours-${files.base}`,
      asked: '1,000,000 files: the first mini-batch in under 1 s, all listed in under 60 s, orchestrator under 300 MB',
      ...{ columns: COLUMNS, compared: `cost, times that at ${written(files.base)}` },
      cases: files.sizes.map((count) => ({
        id: `ours-${count}`,
        name: `${written(count)} files`,
        run: () => measured(context, 'noop', ['--input', names(count), '--mini-batch-size', '10'], count / 10),
      })),
    },
  ];
}

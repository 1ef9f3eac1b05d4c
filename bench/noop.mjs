/** Dispatch alone: mini-batches of ten file names and a script that does nothing, two processes, everything on. */
import { nodeSteady, oursSteady, peerSteady } from './lib/cases.mjs';
import { noFolder } from './lib/data.mjs';
import { Unavailable } from './lib/measure.mjs';
import { runMeasured } from './lib/processes.mjs';

const WORKERS = 2;
const NOOP = { kind: 'noop' };

async function gnuParallel({ limitSeconds }, tasks) {
  const words = Array.from({ length: tasks * 10 }, (_, i) => `${noFolder}/${i}`);
  const args = ['-j', String(WORKERS), '-N', '10', 'true', ':::', ...words];
  const ran = await runMeasured('parallel', args, { limitSeconds });
  if (ran.failed !== undefined) throw new Unavailable(ran.failed);
  return { micros: (ran.seconds / tasks) * 1e6, parent: (ran.cpu / tasks) * 1e6 };
}

export async function sections(context) {
  const size = context.quick ? 1 / 20 : 1;
  const common = { context, work: NOOP, workers: WORKERS };
  const sizes = [20_000 * size, 100_000 * size];
  const peer = (id, name, tasks, less) => ({
    id,
    name,
    run: () => peerSteady({ ...common, peer: id, tasks: tasks * size, less: less && less * size }),
  });
  return [
    {
      id: 'noop',
      title: `No-op mini-batches of ten file names, ${WORKERS} processes`,
      base: 'ours',
      asked: 'at most 25 µs with everything on (aim 15), no slower than Pool with one task a message',
      columns: [
        { key: 'micros', head: 'µs a mini-batch', better: 'less' },
        { key: 'parent', head: "µs of the parent's processor time" },
        { key: 'logged', head: 'µs by its own log' },
      ],
      cases: [
        { id: 'ours', name: 'ours', run: () => oursSteady({ ...common, sizes }) },
        {
          id: 'ours-js',
          name: 'ours, script in JavaScript',
          run: () => oursSteady({ ...common, script: 'noop.mjs', sizes }),
        },
        {
          id: 'floor',
          name: 'floor: framed pipes, nothing recorded',
          run: () => nodeSteady({ ...common, script: 'floor.mjs', tasks: sizes[1] }),
        },
        peer('pool-1', 'Pool.imap_unordered, chunk 1', 100_000),
        peer('pool-32', 'Pool.imap_unordered, chunk 32', 100_000),
        peer('executor', 'ProcessPoolExecutor.map', 40_000),
        peer('joblib', 'joblib, batch 1', 20_000),
        peer('ray', 'Ray tasks', 10_000),
        peer('dask', 'Dask', 4000),
        {
          id: 'piscina',
          name: 'piscina (threads, JavaScript)',
          run: () => nodeSteady({ ...common, script: 'piscina.mjs', tasks: sizes[1] }),
        },
        { id: 'parallel', name: 'GNU parallel', run: () => gnuParallel(context, 1000 * size) },
        peer('ray-data-100', 'Ray Data, a hundred mini-batches a task', 60_000, 10_000),
        peer('ray-data-1', 'Ray Data, one mini-batch a task', 1200, 200),
      ],
    },
  ];
}

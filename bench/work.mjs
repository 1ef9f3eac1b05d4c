/** Mini-batches with work of 1, 10 and 100 ms, waiting or computing: which share of a bare loop is left. */
import { loopsPerMs } from './lib/calibrate.mjs';
import { oursRate, peerRate } from './lib/cases.mjs';

/** A run takes about so long a worker. */
const SECONDS = { normal: 4, quick: 0.6 };
const MILLISECONDS = [1, 10, 100];
const PEERS = [
  ['pool-1', 'Pool.imap_unordered, chunk 1'],
  ['joblib', 'joblib, batch 1'],
  ['ray', 'Ray tasks'],
];

function section(context, kind, milliseconds, workers, work) {
  const perWorker = Math.max(4, Math.round((context.quick ? SECONDS.quick : SECONDS.normal) * (1000 / milliseconds)));
  const common = { context, work, workers, tasks: perWorker * workers };
  const doing = kind === 'sleep' ? 'sleeping' : 'computing';
  return {
    id: `${kind}-${milliseconds}-${workers}`,
    title: `${milliseconds} ms of ${doing} a mini-batch, ${workers} processes`,
    base: 'bare',
    asked: milliseconds === 1 ? 'ours at least 95 % of the bare loop (0.95 or more)' : undefined,
    columns: [{ key: 'perSecond', head: 'mini-batches a second', better: 'more' }],
    share: 'share of the bare loop',
    cases: [
      { id: 'bare', name: 'bare loop', run: () => peerRate({ ...common, peer: 'bare' }) },
      { id: 'ours', name: 'ours', run: () => oursRate(common) },
      ...PEERS.map(([id, name]) => ({ id, name, run: () => peerRate({ ...common, peer: id }) })),
    ],
  };
}

export async function sections(context) {
  const loops = await loopsPerMs(context);
  return MILLISECONDS.flatMap((milliseconds) => [
    ...[2, 8].map((workers) =>
      section(context, 'sleep', milliseconds, workers, { kind: 'sleep', seconds: milliseconds / 1000 }),
    ),
    section(context, 'compute', milliseconds, 2, { kind: 'compute', loops: loops * milliseconds }),
  ]);
}

/** What ledger, logs and samples cost: everything on against as much off as options of ours allow. */
import { loopsPerMs } from './lib/calibrate.mjs';
import { oursRate, peerRate } from './lib/cases.mjs';

/** The ledger, the capture of prints and the lines of each mini-batch can't be switched off: the bare loop has none. */
const OFF = ['--summary-only', '--resource-monitor-interval', '0', '--logging-level', 'WARNING'];
const SECONDS = { normal: 10, quick: 1 };

function section(context, title, milliseconds, workers, work) {
  const perWorker = Math.max(4, Math.round((context.quick ? SECONDS.quick : SECONDS.normal) * (1000 / milliseconds)));
  const common = { context, work, workers, tasks: perWorker * workers };
  return {
    id: `durability-${milliseconds}-${workers}`,
    title: `Cost of records: ${title}, ${workers} processes`,
    base: 'ours-off',
    asked: 'everything on at least 95 % of the throughput with it off (0.95 or more)',
    columns: [{ key: 'perSecond', head: 'mini-batches a second', better: 'more' }],
    share: 'share of ours with as much off as possible',
    cases: [
      { id: 'ours', name: 'ours, everything on', run: () => oursRate(common) },
      {
        id: 'ours-off',
        name: 'ours, no result file, no samples, logs at WARNING',
        run: () => oursRate({ ...common, args: OFF }),
      },
      {
        id: 'bare',
        name: 'bare loop: no records at all',
        run: () => peerRate({ ...common, peer: 'bare' }),
      },
    ],
  };
}

export async function sections(context) {
  const loops = await loopsPerMs(context);
  return [
    section(context, '100 ms of sleeping a mini-batch', 100, 8, { kind: 'sleep', seconds: 0.1 }),
    section(context, '10 ms of computing a mini-batch', 10, 2, { kind: 'compute', loops: loops * 10 }),
  ];
}

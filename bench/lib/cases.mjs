/** What several benchmarks measure in the same way: the cost of one more mini-batch of ten names, in the steady state. */
import { names, noFolder, timesOf } from './data.mjs';
import { runOurs } from './ours.mjs';
import { nodePeers, python, runPeer } from './peers.mjs';
import { rateOf } from './runlog.mjs';
import { perUnit } from './stats.mjs';

const ITEMS = 10;
const MICRO = 1e6;

/** Ours over so many mini-batches of ten names. */
function oursOver({ context, script = 'tasks.py', work, workers, args = [] }, count, look) {
  return runOurs({
    ...{ script, dist: context.dist, limitSeconds: context.limitSeconds, look },
    args: [
      '--input',
      names(count * ITEMS),
      '--mini-batch-size',
      String(ITEMS),
      '--processes',
      String(workers),
      ...args,
    ],
    env: { BENCH_WORK: JSON.stringify(work) },
  });
}

/**
 * Ours over two sizes: start and end cancel out.
 * @param options.sizes mini-batches of the small and of the large run
 * @returns µs a mini-batch on the clock, of the orchestrator's processor time, and by the log of the large run
 */
export async function oursSteady(options) {
  const runs = [];
  for (const count of options.sizes)
    runs.push({ count, ...(await oursOver(options, count, (folder) => ({ rate: rateOf(timesOf(folder).workers) }))) });
  const [small, large] = runs;
  const cost = (key) =>
    MICRO * perUnit({ count: small.count, value: small[key] }, { count: large.count, value: large[key] });
  return { micros: cost('seconds'), parent: cost('cpu'), logged: MICRO / large.rate };
}

/**
 * Ours by the times in its own logs, each worker from its first result to its last: for long work, where a start that
 * differs by a tenth of a second would be more than what is looked for.
 * @returns mini-batches a second
 */
export async function oursRate(options) {
  const { rate } = await oursOver(options, options.tasks, (folder) => ({ rate: rateOf(timesOf(folder).workers) }));
  return { perSecond: rate };
}

/**
 * A peer in Python, started and warm. The names are those of no files: the work only hands them on.
 * @param options.less so many tasks are measured apart and taken off: for a peer with a fixed cost a call
 * @returns as `oursSteady`
 */
export async function peerSteady({ context, peer, work, workers, tasks, less = 0 }) {
  const setting = { peer, workers, tasks, less, warm: Math.min(tasks, workers * 10), folder: noFolder };
  return perTask(await runPeer(python, 'peer.py', setting, options(context, work)), tasks - less);
}

/** @returns as `oursRate` */
export async function peerRate(options) {
  return { perSecond: MICRO / (await peerSteady(options)).micros };
}

/** The floor or piscina, which are programs in Node. @returns as `oursSteady` */
export async function nodeSteady({ context, script, workers, tasks }) {
  const setting = { python, packages: nodePeers, workers, tasks, warm: Math.min(tasks, 1000), folder: noFolder };
  return perTask(await runPeer(process.execPath, script, setting, options(context, { kind: 'noop' })), tasks);
}

const options = ({ limitSeconds }, work) => ({ limitSeconds, env: { BENCH_WORK: JSON.stringify(work) } });

function perTask({ inside, parentCpu }, tasks) {
  return {
    micros: (inside / tasks) * MICRO,
    parent: parentCpu === undefined ? undefined : (parentCpu / tasks) * MICRO,
  };
}

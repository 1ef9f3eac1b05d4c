/**
 * Many machines: what a broker between orchestrator and workers costs. Broker, orchestrator, agents and workers share the
 * cores of this machine, so more agents show how they get along with each other, not how it scales.
 */
import { oursRate } from './lib/cases.mjs';
import { nothingSteady, withCluster } from './lib/cluster.mjs';

const AGENTS = [1, 2, 4];
const MILLISECONDS = [1, 10, 100];
/** A run takes about so long a worker. */
const SECONDS = { normal: 4, quick: 0.6 };

function noop(context) {
  const size = context.quick ? 1 / 20 : 1;
  const common = { sizes: [20_000 * size, 120_000 * size], workers: 2, dist: context.dist };
  return {
    id: 'many-noop',
    title: 'No-op mini-batches without input over one broker that syncs each write',
    base: 'embedded',
    asked: 'at least 20,000 a second through a single broker',
    columns: [
      { key: 'perSecond', head: 'mini-batches a second', better: 'more' },
      { key: 'micros', head: 'µs a mini-batch', better: 'less' },
    ],
    cases: [
      { id: 'embedded', name: 'embedded, 2 workers', run: () => nothingSteady(common) },
      ...AGENTS.map((agents) => ({
        id: `ours-${agents}`,
        name: `${agents} agent(s) of 2 workers`,
        run: () => withCluster({ agents, slots: 2, dist: context.dist }, (args) => nothingSteady({ ...common, args })),
      })),
    ],
  };
}

function work(context, milliseconds) {
  const perWorker = Math.max(4, Math.round((context.quick ? SECONDS.quick : SECONDS.normal) * (1000 / milliseconds)));
  const common = { context, work: { kind: 'sleep', seconds: milliseconds / 1000 } };
  const embedded = (workers) => () => oursRate({ ...common, workers, tasks: perWorker * workers });
  const over = (agents) => () =>
    withCluster({ agents, slots: 2, dist: context.dist }, (args) =>
      oursRate({ ...common, workers: 2, tasks: perWorker * agents * 2, args }),
    );
  return AGENTS.map((agents) => ({
    id: `many-${milliseconds}-${agents}`,
    title: `${milliseconds} ms of sleeping a mini-batch, ${agents * 2} workers`,
    base: 'embedded',
    share: 'share of the embedded engine',
    columns: [{ key: 'perSecond', head: 'mini-batches a second', better: 'more' }],
    cases: [
      { id: 'embedded', name: 'embedded', run: embedded(agents * 2) },
      { id: 'ours', name: `over a broker, ${agents} agent(s) of 2 workers`, run: over(agents) },
    ],
  }));
}

export function sections(context) {
  return [noop(context), ...MILLISECONDS.flatMap((milliseconds) => work(context, milliseconds))];
}

/** What each worker process and each node did: the two summaries of the job report. */
import type { RunEvent, TryFinished } from '../domain/event.ts';
import type { ExitFacts } from '../domain/failure.ts';
import { splitWorkerId, type EpochMs, type NodeAddress, type WorkerId } from '../domain/ids.ts';
import { endsMiniBatch } from './failedparts.ts';

/** Totals over tries, of a process or of a node. */
export interface WorkTotals {
  tries: number;
  /** Mini-batches that a try, or a last part, ended with all their items through. */
  done: number;
  failedTries: number;
  /** Parts of mini-batches that were run to find their culprits. They are no tries, but their time counts. */
  parts: number;
  items: number;
  itemsSucceeded: number;
  itemsFailed: number;
  /** From pick-up to result. */
  elapsedSeconds: number;
  /** CPU seconds of the process. */
  processSeconds: number;
  runSeconds: number;
}

export interface ProcessSummary extends WorkTotals {
  readonly node: NodeAddress;
  readonly process: string;
  pid: number;
  startedAt: EpochMs | undefined;
  endedAt: EpochMs | undefined;
  state: 'loading' | 'initializing' | 'ready' | 'failed to start' | 'ended' | 'lost';
  loadSeconds: number | undefined;
  initSeconds: number | undefined;
  shutdownSeconds: number | undefined;
  exit: ExitFacts | undefined;
}

export interface NodeSummary extends WorkTotals {
  readonly node: NodeAddress;
  hostname: string;
  slots: number;
  state: 'joined' | 'finished' | 'lost' | 'init-budget';
  joinedAt: EpochMs | undefined;
  leftAt: EpochMs | undefined;
  processesStarted: number;
  processesFailedToStart: number;
  processesLost: number;
}

/** A run whose script kills its process each time has as many processes as tries: the oldest ended ones go. */
export const PROCESSES_MAX = 10_000;

const noWork = (): WorkTotals => ({
  tries: 0,
  done: 0,
  failedTries: 0,
  parts: 0,
  items: 0,
  itemsSucceeded: 0,
  itemsFailed: 0,
  elapsedSeconds: 0,
  processSeconds: 0,
  runSeconds: 0,
});

function addTry(totals: WorkTotals, event: TryFinished): void {
  const { timing, settles } = event;
  if (event.part !== undefined) totals.parts += 1;
  else {
    totals.tries += 1;
    if (settles !== 'done') totals.failedTries += 1;
  }
  if (settles === 'done') totals.done += 1;
  if (endsMiniBatch(event)) {
    totals.items += event.items;
    totals.itemsSucceeded += event.succeeded;
    totals.itemsFailed += event.failed;
  }
  totals.elapsedSeconds += timing.elapsedSeconds;
  totals.processSeconds += timing.end2 - timing.start2;
  totals.runSeconds += timing.runSeconds;
}

interface Known {
  readonly process: ProcessSummary;
  readonly node: NodeSummary;
}

export class WorkersFold {
  private readonly known = new Map<WorkerId, Known>();
  private readonly nodeSummaries = new Map<NodeAddress, NodeSummary>();
  /** Processes that are no longer in the list; their work is in the totals of their nodes. */
  omitted = 0;

  apply(event: RunEvent): void {
    if (event.type === 'try-finished') {
      const { process, node } = this.worker(event.worker);
      addTry(process, event);
      addTry(node, event);
      return;
    }
    this.applyRare(event);
  }

  private applyRare(event: Exclude<RunEvent, TryFinished>): void {
    if (event.type === 'node-joined') {
      const node = this.node(event.node);
      node.hostname = event.hostname;
      node.slots = event.slots;
      node.state = 'joined';
      node.joinedAt ??= event.at;
      node.leftAt = undefined;
    } else if (event.type === 'node-left') {
      const node = this.node(event.node);
      node.state = event.why;
      node.leftAt = event.at;
    } else if (event.type === 'worker-started') {
      const { process, node } = this.worker(event.worker);
      process.pid = event.pid;
      process.startedAt = event.at;
      node.processesStarted += 1;
    } else if (event.type === 'worker-loaded') {
      const { process } = this.worker(event.worker);
      process.loadSeconds = event.seconds;
      process.state = 'initializing';
    } else if (event.type === 'worker-initialized') {
      const { process } = this.worker(event.worker);
      process.initSeconds = event.seconds;
      process.state = 'ready';
    } else if (event.type === 'worker-start-failed') {
      const { process, node } = this.worker(event.worker);
      process.pid = event.pid;
      process.state = 'failed to start';
      process.endedAt ??= event.at;
      node.processesFailedToStart += 1;
    } else if (event.type === 'worker-shut-down') {
      this.worker(event.worker).process.shutdownSeconds = event.seconds;
    } else if (event.type === 'worker-ended') {
      const { process, node } = this.worker(event.worker);
      const lost = !event.expected && process.state !== 'failed to start';
      if (process.state !== 'failed to start') process.state = lost ? 'lost' : 'ended';
      if (lost) node.processesLost += 1;
      process.endedAt = event.at;
      process.exit = event.exit;
      this.bound();
    }
  }

  private worker(id: WorkerId): Known {
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const { node: address, process: name } = splitWorkerId(id);
    const process: ProcessSummary = {
      node: address,
      process: name,
      pid: 0,
      startedAt: undefined,
      endedAt: undefined,
      state: 'loading',
      loadSeconds: undefined,
      initSeconds: undefined,
      shutdownSeconds: undefined,
      exit: undefined,
      ...noWork(),
    };
    const created = { process, node: this.node(address) };
    this.known.set(id, created);
    return created;
  }

  private node(address: NodeAddress): NodeSummary {
    let node = this.nodeSummaries.get(address);
    if (node === undefined) {
      node = {
        node: address,
        hostname: '',
        slots: 0,
        state: 'joined',
        joinedAt: undefined,
        leftAt: undefined,
        processesStarted: 0,
        processesFailedToStart: 0,
        processesLost: 0,
        ...noWork(),
      };
      this.nodeSummaries.set(address, node);
    }
    return node;
  }

  private bound(): void {
    if (this.known.size <= PROCESSES_MAX) return;
    for (const [id, { process }] of this.known) {
      if (process.endedAt === undefined) continue;
      this.known.delete(id);
      this.omitted += 1;
      return;
    }
  }

  processes(): readonly Readonly<ProcessSummary>[] {
    return [...this.known.values()].map(({ process }) => process);
  }

  nodes(): readonly Readonly<NodeSummary>[] {
    return [...this.nodeSummaries.values()];
  }
}

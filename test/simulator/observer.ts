/** What must hold after every event, kept apart from the core: it sees what goes in and what comes out. */
import { validateState } from '../../src/core/state.ts';
import type { CoreCommand, CoreEvent, CoreState, Settles } from '../../src/core/types.ts';
import type { RunEvent } from '../../src/domain/event.ts';
import type { ItemRange } from '../../src/domain/minibatch.ts';
import type { Assignment } from '../../src/domain/ports.ts';
import { MS } from './config.ts';
import { Reference } from './reference.ts';
import { holds, Violation } from './violation.ts';
import type { World } from './world.ts';

const THRESHOLDS: readonly string[] = ['error-threshold', 'mini-batch-error-threshold', 'failed-percent'];
/** Events after which the core may stop for a reason of its own although a threshold is crossed as well. */
const OTHER_REASONS: readonly string[] = ['cancel', 'shell-failed', 'creation-failed', 'tick', 'node-left'];
const ENDS_WORKER: readonly string[] = ['worker-lost', 'timeout'];

/** What is on the disk for good, over all lives of the orchestrator. */
export class Stored {
  readonly done = new Set<number>();
  readonly failed = new Set<number>();
  readonly redispatched = new Set<string>();
  /** Highest dispatch that ever left for a worker. */
  readonly sent = new Map<number, number>();
  reservedBelow = 0;

  add(event: RunEvent): void {
    if (event.type === 'dispatch-reserved') this.reservedBelow = Math.max(this.reservedBelow, event.below);
    else if (event.type === 'redispatched') this.redispatched.add(`${event.index}.${event.dispatch}`);
    else if (event.type === 'run-resumed') for (const { index } of event.retried) this.failed.delete(index);
    else if (event.type === 'try-finished') {
      const { index, settles } = event;
      if (settles !== 'done' && settles !== 'failed' && settles !== 'partial') return;
      holds(!this.done.has(index) && !this.failed.has(index), 'final', () => `${index} is settled a second time`);
      (settles === 'done' ? this.done : this.failed).add(index);
    }
  }

  /** After a recovery: the ledger as it was found. */
  reset(events: readonly RunEvent[]): void {
    this.done.clear();
    this.failed.clear();
    this.redispatched.clear();
    this.reservedBelow = 0;
    for (const event of events) this.add(event);
  }

  leaves({ index, dispatch }: Assignment): void {
    holds(!this.done.has(index), 'run again after commit', () => `${index} is sent as dispatch ${dispatch}`);
    const before = this.sent.get(index) ?? 0;
    holds(dispatch > before, 'dispatch numbers grow', () => `${index}: ${dispatch} after ${before}`);
    this.sent.set(index, dispatch);
    if (dispatch === 1) holds(index < this.reservedBelow, 'durable before dispatch', () => `${index} is not reserved`);
    else
      holds(
        this.redispatched.has(`${index}.${dispatch}`),
        'durable before dispatch',
        () => `dispatch ${dispatch} of ${index} is not recorded`,
      );
  }
}

interface Open {
  readonly dispatch: number;
  readonly worker: string;
  readonly part: ItemRange | undefined;
}

/** One life of the orchestrator. */
export class Observer {
  readonly reference: Reference;
  private readonly world: World;
  private readonly core: CoreState;
  private readonly open = new Map<number, Open>();
  private readonly settled = new Set<number>();
  private readonly dueAt = new Map<number, number>();
  private readonly usable = new Set<string>();
  /** Outcomes of a worker that are taken and not durable yet. */
  private readonly uncommitted = new Map<string, number>();
  private created: number;
  private lastAnswer = 0;
  /** Since when workers have held something without a break. */
  private heldSince = 0;
  private cause: string | undefined;
  private canceled = false;
  private broken = false;
  private stopped = false;

  constructor(world: World, core: CoreState, past: readonly RunEvent[]) {
    this.world = world;
    this.core = core;
    this.reference = new Reference(core.config);
    for (const event of past) this.reference.replay(event);
    this.created = core.created;
    const { done, failed } = this.reference;
    holds(core.done === done && core.failed === failed, 'recovered counts', () => 'differ from the ledger');
    holds(core.failedItems === this.reference.failedItems, 'recovered counts', () => 'of failed items differ');
    holds(core.returned === this.reference.returned, 'recovered counts', () => 'of rows differ');
    validateState(core);
  }

  /** Around one step of the core. `run` is the step. */
  step(event: CoreEvent, run: () => CoreCommand[]): CoreCommand[] {
    const wasRunning = this.core.phase === 'running';
    const current = 'dispatch' in event ? this.open.get(event.index)?.dispatch === event.dispatch : false;
    const part = event.type === 'outcome' ? this.open.get(event.index)?.part : undefined;
    const commands = run();
    validateState(this.core);
    this.before(event, current);
    if (event.type === 'outcome') this.outcome(event, current, part, commands);
    for (const command of commands) if (command.type === 'dispatch') this.dispatched(command);
    if (wasRunning) this.judge(event);
    if (this.core.phase !== 'running')
      holds(!commands.some((c) => c.type === 'dispatch'), 'dispatch after the stop', () => event.type);
    holds(this.open.size === this.core.inFlight.size, 'in flight', () => `${this.open.size} handed out`);
    return commands;
  }

  private notDurable(worker: string): number {
    return this.uncommitted.get(worker) ?? 0;
  }

  private before(event: CoreEvent, current: boolean): void {
    if (event.type === 'committed')
      for (const worker of event.workers) this.uncommitted.set(worker, this.notDurable(worker) - 1);
    if (event.type === 'created') this.created += event.count;
    else if (event.type === 'worker-ready') this.usable.add(event.worker);
    else if (event.type === 'cancel' && this.cause === undefined) this.canceled = true;
    else if (event.type === 'shell-failed') this.broken = true;
    else if (event.type === 'stopped') this.stopped = true;
    else if (event.type === 'returned' && current) this.open.delete(event.index);
    else if (event.type === 'worker-ended') {
      this.usable.delete(event.worker);
      for (const [index, { worker }] of this.open) if (worker === event.worker) this.open.delete(index);
    }
  }

  private outcome(
    event: Extract<CoreEvent, { type: 'outcome' }>,
    current: boolean,
    part: ItemRange | undefined,
    commands: readonly CoreCommand[],
  ): void {
    const late = commands.some((c) => c.type === 'late');
    holds(
      late === !current,
      'fence',
      () => `outcome of ${event.index}.${event.dispatch} ${late ? 'refused' : 'taken'}`,
    );
    if (late) return this.world.saw('late outcome refused');
    const { index, result } = event;
    this.open.delete(index);
    this.lastAnswer = this.world.millis();
    holds(!this.settled.has(index) && !this.world.stored.done.has(index), 'final', () => `${index} is taken again`);
    const settle = commands.find((c) => c.type === 'settle')?.settles;
    holds(settle !== undefined, 'fence', () => `outcome of ${index} came to nothing`);
    if (!settle) return;
    const wasNarrowed = this.reference.narrowed.get(index);
    this.reference.settled({ index, dispatch: event.dispatch, items: event.items, part, result }, settle);
    this.uncommitted.set(event.worker, (this.uncommitted.get(event.worker) ?? 0) + 1);
    if (wasNarrowed) this.sawPart(settle, wasNarrowed.runs);
    if (!result.ok && ENDS_WORKER.includes(result.failure.kind)) this.usable.delete(event.worker);
    if (!result.ok && result.failure.kind === 'node-lost') {
      this.reference.losses.set(index, (this.reference.losses.get(index) ?? 0) + 1);
      this.world.saw('lost without fault of the script');
    }
    if (settle.as === 'done' || settle.as === 'failed' || settle.as === 'partial') this.settled.add(index);
    if (settle.as === 'retry') this.dueAt.set(index, this.world.millis() + settle.retryAfterMs);
    if (settle.as === 'failed' && settle.poisoned) this.world.saw('poisoned');
    if (settle.as === 'retry') this.world.saw('retry');
    if (settle.as === 'narrow') this.world.saw('narrowed down');
    if (this.core.phase !== 'running' && this.canceled) this.world.saw('outcome after cancel');
  }

  private sawPart(settle: Settles, runs: number): void {
    if (settle.as === 'partial') this.world.saw('partial');
    if (settle.as === 'partial' && settle.dead.some(({ from, to }) => to - from > 1)) this.world.saw('items given up');
    if (settle.as === 'done') this.world.saw('all parts good');
    if (settle.as === 'requeue') this.world.saw('part lost without fault of the script');
    if (settle.as === 'failed' && !settle.dead && runs > 4) this.world.saw('same error everywhere');
  }

  private dispatched({ index, dispatch, worker, part }: Extract<CoreCommand, { type: 'dispatch' }>): void {
    const now = this.world.millis();
    holds(!this.settled.has(index), 'final', () => `${index} is handed out after its end`);
    holds(!this.open.has(index), 'one holder', () => `${index} is with ${this.open.get(index)?.worker} and ${worker}`);
    holds(this.usable.has(worker), 'live worker', () => `${index} goes to ${worker}, which is gone or not ready`);
    holds(now >= (this.dueAt.get(index) ?? 0), 'back-off', () => `${index} is tried again before its time`);
    if (this.open.size === 0) this.heldSince = this.world.millis();
    this.open.set(index, { dispatch, worker, part });
    const atRisk = [...this.open.values()].filter((each) => each.worker === worker).length + this.notDurable(worker);
    // What a crash would repeat: of slow mini-batches one for each worker.
    const most = this.world.config.runTime[0] > 50 * MS ? 1 : 1024 + 16;
    holds(atRisk <= most, 'work at risk', () => `${atRisk} at ${worker} are not durable`);
  }

  /** Thresholds: at once, exactly, and nothing else ends a run without a cause. */
  private judge(event: CoreEvent): void {
    const { core, world } = this;
    const crossed = this.reference.crossed(core.creationFinished ? this.created : undefined);
    const kind = core.ending?.reason?.kind;
    if (crossed === undefined) {
      holds(kind === undefined || !THRESHOLDS.includes(kind), 'threshold', () => `${kind} too early`);
    } else {
      holds(core.phase !== 'running', 'threshold', () => `${crossed} is not acted upon`);
      if (!OTHER_REASONS.includes(event.type) && kind !== undefined)
        holds(kind === crossed, 'threshold', () => `ends as ${kind}, must be ${crossed}`);
      if (core.inFlight.size > 0) world.saw('threshold crossed with work in flight');
    }
    if (core.phase === 'running') return;
    this.cause = kind ?? (this.canceled ? 'canceled' : 'settled');
    if (this.canceled && core.inFlight.size > 0) world.saw('cancel during work');
    this.mayEnd(this.cause, event);
  }

  private mayEnd(cause: string, event: CoreEvent): void {
    const { core, world, reference } = this;
    const allEnded = reference.done + reference.failed === this.created && core.creationFinished;
    const reasons: Record<string, boolean> = {
      settled: allEnded,
      canceled: event.type === 'cancel',
      'init-failed': world.startFailures > 0,
      'empty-input': this.created === 0 && core.creationFinished,
      'creation-failed': event.type === 'creation-failed',
      'no-progress': world.millis() - Math.max(this.heldSince, this.lastAnswer) > core.config.progressTimeoutMs - 1,
      'infra-exhausted': Math.max(0, ...reference.losses.values()) > 20,
      'all-in-init': !world.everReady,
    };
    if (cause === 'infra-exhausted' || cause === 'no-progress' || cause === 'init-failed') world.saw(`ended: ${cause}`);
    const fine = reasons[cause] ?? (THRESHOLDS.includes(cause) || event.type === 'shell-failed');
    holds(fine, 'cause of the end', () => `${cause} at ${event.type}`);
  }

  /** The verdict against what has been seen. */
  verdict(state: string, reason: string | undefined): void {
    const { reference, core } = this;
    holds(this.stopped, 'finish after stop', () => 'the verdict came while workers may run');
    if (this.broken) {
      holds(state === 'Failed', 'verdict', () => `${state} although the shell failed`);
      return;
    }
    holds(this.cause !== undefined, 'verdict', () => `${state} without an end`);
    if (this.cause === 'canceled') holds(state === 'Canceled', 'verdict', () => `${state}, must be Canceled`);
    else if (this.cause === 'settled') {
      const nothing = core.config.needsRows && this.created > 0 && reference.returned === 0;
      const expected = nothing ? 'nothing-succeeded' : undefined;
      holds(state === (nothing ? 'Failed' : 'Completed') && reason === expected, 'verdict', () => `${state} ${reason}`);
    } else holds(state === 'Failed' && reason === this.cause, 'verdict', () => `${state} ${reason}, not ${this.cause}`);
  }
}

export function violationOf(error: unknown): Violation {
  if (error instanceof Violation) return error;
  if (error instanceof Error) return new Violation(error.name, error.message);
  return new Violation('thrown', String(error));
}

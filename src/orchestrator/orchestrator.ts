/**
 * The shell around the core: brings it events, carries out its commands, commits, finishes. No policy here: what a
 * failure means, who gets what and when the run ends is decided in `core/`.
 */
import { InvariantError, unreachable } from '../domain/assert.ts';
import { initialState } from '../core/state.ts';
import { step } from '../core/step.ts';
import type { CoreCommand, CoreEvent, CoreState, Verdict } from '../core/types.ts';
import type { RunEvent, RunState } from '../domain/event.ts';
import type { RunFailure } from '../domain/failure.ts';
import { miniBatchIndex, splitWorkerId } from '../domain/ids.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import type { Assignment, EngineEvent, TryOutcome } from '../domain/ports.ts';
import type { ExitCode } from '../domain/problem.ts';
import { Committer } from './committer.ts';
import { coreConfig } from './config.ts';
import { createMiniBatches } from './creation.ts';
import { commitFailure, messageOf } from './reasons.ts';
import { describeHandOut, notHandedOut } from './outcome.ts';
import { Settlement } from './settlement.ts';
import type { OrchestratorParts } from './ports.ts';

const TICK_MS = 100;

export class Orchestrator {
  private readonly parts: OrchestratorParts;
  private readonly core: CoreState;
  private readonly committer: Committer;
  /** Assignments decided in the present round, sent together at its end. */
  private outbox: Assignment[] = [];
  /** Items of the mini-batches in flight. */
  private readonly items = new Map<MiniBatchIndex, number>();
  private timer: NodeJS.Timeout | undefined;
  private stopping: Promise<void> | undefined;
  private creationEnded = false;
  private readonly settlement: Settlement;
  /** Outcomes of mini-batches that were not handed out, because their input has changed. */
  private refused: TryOutcome[] = [];
  private waitsForSpace = false;
  /** Why the shell can't go on; stands over any verdict of the core, which may have come before it. */
  private broken: Verdict | undefined;
  private resolveVerdict: (verdict: Verdict) => void = () => undefined;
  private readonly verdict = new Promise<Verdict>((resolve) => {
    this.resolveVerdict = resolve;
  });

  constructor(parts: OrchestratorParts) {
    this.parts = parts;
    this.core = parts.recovered ?? initialState(coreConfig(parts.plan), parts.clock.monotonic());
    this.settlement = new Settlement(parts.plan.output.action === 'append_row');
    this.committer = new Committer(parts, {
      publish: parts.publish,
      onFailure: (error) => {
        this.fatal(commitFailure(error, parts.plan.runFolder), 3);
      },
      onPressure: (on) => {
        this.feed([{ type: 'pressure', on }]);
      },
      onCommitted: (workers) => {
        this.feed([{ type: 'committed', workers }]);
      },
      onWaiting: (waiting) => {
        this.onDiskFull(waiting);
      },
    });
  }

  /** Records something that happened around the run, before or while it goes on. */
  note(event: RunEvent): void {
    this.committer.add(event);
  }

  /** Runs to the end. Never rejects for what happens in the run: that is the verdict. */
  async run(): Promise<Verdict> {
    this.state('Running');
    this.timer = setInterval(() => {
      this.committer.tick();
      this.feed([{ type: 'tick' }]);
    }, TICK_MS);
    const creation = createMiniBatches(this.parts, {
      created: this.core.created,
      items: this.core.items,
      finished: this.core.creationFinished,
      feed: (event) => this.feed([event]),
      note: (event) => this.note(event),
      wanted: () => !this.creationEnded && this.core.phase === 'running',
      patiently: (work) => this.committer.patiently(work),
    });
    await this.parts.engine.start((events) => {
      this.onEngine(events);
    });
    const verdict = await this.verdict;
    clearInterval(this.timer);
    this.creationEnded = true;
    this.parts.dropDrafts?.();
    await creation;
    return this.finish(verdict);
  }

  cancel(how: 'orderly' | 'now', by: 'SIGINT' | 'SIGTERM' | 'command'): void {
    if (this.waitsForSpace) this.committer.giveUp();
    if (this.core.phase === 'finished') return;
    this.note({ type: 'cancel-requested', at: this.parts.clock.now(), by, now: how === 'now' });
    if (this.core.phase === 'running') this.state('CancelRequested');
    this.feed([{ type: 'cancel', now: how === 'now', exitCode: by === 'SIGTERM' ? 143 : 130 }]);
  }

  // ---- events in ----------------------------------------------------------------------------------------------

  private onEngine(events: readonly EngineEvent[]): void {
    this.guard(() => {
      for (const event of events) this.onEngineEvent(event);
      this.flushOutbox();
    });
  }

  private onEngineEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'node-joined':
        this.note(event);
        this.apply({ type: 'node-joined', node: event.node, slots: event.slots });
        return;
      case 'node-left':
        this.note(event);
        this.apply({ type: 'node-left', node: event.node });
        return;
      case 'worker-started':
        this.note(event);
        this.apply({ type: 'worker-started', worker: event.worker, node: splitWorkerId(event.worker).node });
        return;
      case 'worker-initialized':
        this.note(event);
        this.apply({ type: 'worker-ready', worker: event.worker });
        return;
      case 'worker-start-failed':
        this.note(event);
        this.apply({ type: 'worker-start-failed', worker: event.worker, failure: event.failure });
        return;
      case 'worker-ended':
        this.note(event);
        this.apply({ type: 'worker-ended', worker: event.worker });
        return;
      case 'try-begun':
        this.onBegun(event);
        return;
      case 'try-outcome':
        this.onOutcome(event);
        return;
      case 'assignments-returned':
        for (const { index, dispatch } of event.assignments)
          this.apply({ type: 'returned', index, dispatch, worker: event.worker });
        return;
      case 'warning':
        this.note(event);
        if (event.warning.kind === 'worker-recycled')
          this.apply({ type: 'worker-leaving', worker: event.warning.worker });
        return;
      case 'worker-loaded':
      case 'worker-shut-down':
      case 'recorded':
        this.note(event);
        return;
      default:
        unreachable(event);
    }
  }

  private onBegun(event: Extract<EngineEvent, { type: 'try-begun' }>): void {
    const current = this.core.inFlight.get(event.index);
    if (current?.dispatch !== event.dispatch) return;
    const { try: attempt, part } = current;
    const { type, at, index, dispatch, worker, pid } = event;
    const begun = { type, at, index, dispatch, worker, pid, try: attempt, items: this.items.get(index) ?? 0 };
    this.note(part ? { ...begun, part } : begun);
  }

  private onOutcome(outcome: TryOutcome): void {
    const items = this.items.get(outcome.index) ?? 0;
    const { result } = outcome;
    const commands = step(
      this.core,
      {
        type: 'outcome',
        index: outcome.index,
        dispatch: outcome.dispatch,
        worker: outcome.worker,
        items,
        runMs: outcome.timing.runSeconds * 1000,
        result,
      },
      this.parts.clock.monotonic(),
    );
    for (const command of commands) {
      if (command.type === 'settle') this.settle(outcome, items, command);
      else if (command.type === 'late') this.late(outcome);
      else this.execute(command);
    }
  }

  private settle(outcome: TryOutcome, items: number, command: Extract<CoreCommand, { type: 'settle' }>): void {
    this.items.delete(outcome.index);
    const failed = outcome.result.ok ? undefined : this.parts.manifest.read(outcome.index).source;
    const detail = failed && describeHandOut(failed, command.part);
    const { event, rows, unneeded } = this.settlement.settle(outcome, command, items, detail);
    if (rows) this.committer.addDone(event, rows);
    else this.committer.add(event);
    for (const file of unneeded) void this.parts.spool.releasePart(file);
  }

  private late(outcome: TryOutcome): void {
    const { index, dispatch, worker } = outcome;
    this.note({ type: 'outcome-late', at: this.parts.clock.now(), index, dispatch, worker });
    if (!outcome.result.ok || outcome.result.rows instanceof Uint8Array) return;
    const { part } = outcome.result.rows;
    // A duplicate of an accepted outcome names the part that its commit still needs.
    if (!this.committer.needs(part) && !this.settlement.keeps(part)) void this.parts.spool.releasePart(part);
  }

  // ---- commands out -------------------------------------------------------------------------------------------

  /** Events from outside a round of the engine. */
  private feed(events: readonly CoreEvent[]): void {
    this.guard(() => {
      for (const event of events) this.apply(event);
      this.flushOutbox();
    });
  }

  private apply(event: CoreEvent): void {
    for (const command of step(this.core, event, this.parts.clock.monotonic())) this.execute(command);
  }

  private execute(command: CoreCommand): void {
    switch (command.type) {
      case 'dispatch':
        this.dispatch(command);
        return;
      case 'reserve':
        void this.reserve(command.below);
        return;
      case 'abort':
        this.note({ type: 'run-aborting', at: this.parts.clock.now(), reason: command.reason });
        return;
      case 'stop':
        this.stop(command.how);
        return;
      case 'warn':
        this.note({ type: 'warning', at: this.parts.clock.now(), warning: command.warning });
        return;
      case 'finish':
        this.resolveVerdict(command.verdict);
        return;
      case 'settle':
      case 'late':
        throw new InvariantError(`command ${command.type} without its outcome`);
      default:
        unreachable(command);
    }
  }

  private dispatch(command: Extract<CoreCommand, { type: 'dispatch' }>): void {
    const { worker, index, dispatch, part } = command;
    const { source, items } = this.parts.manifest.read(index);
    this.items.set(index, items);
    const changed = this.parts.checkInput?.(index, source);
    if (changed) {
      this.refused.push(notHandedOut(command, changed, this.parts.clock.now()));
      return;
    }
    const assignment: Assignment = { worker, index, dispatch, try: command.try, items, source, ...(part && { part }) };
    if (dispatch === 1) this.outbox.push(assignment);
    else void this.redispatch(assignment);
  }

  private flushOutbox(): void {
    // Each may bring the next mini-batch to the same worker, which may have changed too.
    for (let refused = this.refused.shift(); refused; refused = this.refused.shift()) this.onOutcome(refused);
    if (this.outbox.length === 0) return;
    const assignments = this.outbox;
    this.outbox = [];
    this.parts.engine.dispatch(assignments);
    void this.parts.failpoint?.('dispatched');
  }

  /** The record of a second hand-out is on the disk before it leaves. */
  private async redispatch(assignment: Assignment): Promise<void> {
    const { index, dispatch, worker } = assignment;
    this.note({ type: 'redispatched', at: this.parts.clock.now(), index, dispatch, try: assignment.try, worker });
    await this.committer.barrier();
    if (this.committer.broken) return;
    await this.parts.failpoint?.('dispatch-recorded');
    this.parts.engine.dispatch([assignment]);
  }

  /** The list of mini-batches first, then the right to hand them out. */
  private async reserve(below: number): Promise<void> {
    try {
      await this.committer.patiently(() => this.parts.manifest.flush(true));
    } catch (error) {
      this.fatal(commitFailure(error, this.parts.plan.runFolder), 3);
      return;
    }
    this.note({ type: 'dispatch-reserved', at: this.parts.clock.now(), below: miniBatchIndex(below) });
    await this.committer.barrier();
    await this.parts.failpoint?.('dispatch-recorded');
    if (!this.committer.broken) this.feed([{ type: 'reserved', below }]);
  }

  private stop(how: 'orderly' | 'now'): void {
    const stopped = this.parts.engine.stop(how);
    if (this.stopping) return;
    this.stopping = stopped.then(
      () => {
        this.feed([{ type: 'stopped' }]);
      },
      (error: unknown) => {
        const text = `stopping workers: ${String(error)}`;
        this.note({ type: 'warning', at: this.parts.clock.now(), warning: { kind: 'note', text } });
        this.feed([{ type: 'stopped' }]);
      },
    );
  }

  // ---- the end ------------------------------------------------------------------------------------------------

  private async finish(verdict: Verdict): Promise<Verdict> {
    this.state('Finalizing');
    await this.committer.barrier();
    await this.parts.failpoint?.('all-settled');
    const final = await this.assemble(this.broken ?? verdict);
    await this.parts.failpoint?.('assembled');
    const at = this.parts.clock.now();
    this.note({
      type: 'run-ended',
      at,
      state: final.state,
      exitCode: final.exitCode,
      ...(final.reason && { reason: final.reason }),
    });
    await this.committer.close();
    // The end itself may be what could not be stored.
    return this.broken ?? final;
  }

  private async assemble(verdict: Verdict): Promise<Verdict> {
    if (this.committer.broken) return verdict;
    try {
      const kind = verdict.state === 'Completed' ? 'whole' : 'partial';
      const result = await this.committer.patiently(() => this.parts.assemble(kind));
      if (result) this.note({ type: 'output-assembled', at: this.parts.clock.now(), ...result });
      return verdict;
    } catch (error) {
      const { output } = this.parts.plan;
      if (verdict.state !== 'Completed') return verdict;
      const path = output.action === 'append_row' ? output.file : this.parts.plan.outputFolder;
      const reason = commitFailure(error, path);
      return { state: 'Failed', exitCode: 3, reason };
    }
  }

  /** Shown at once, not stored: there is no space to store it. */
  private onDiskFull(waiting: boolean): void {
    const warning = { kind: 'disk-full', path: this.parts.plan.runFolder, waiting } as const;
    this.parts.publish([{ type: 'warning', at: this.parts.clock.now(), warning }]);
    this.waitsForSpace = waiting;
  }

  private state(state: RunState): void {
    this.note({ type: 'run-state', at: this.parts.clock.now(), state });
  }

  /** A failed assertion or an unexpected throw of ours: the run stops, resumable, and says so. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fatal(
        {
          kind: 'internal',
          message: messageOf(error),
          ...(error instanceof Error && error.stack && { stack: error.stack }),
        },
        4,
      );
    }
  }

  private fatal(reason: RunFailure, exitCode: ExitCode): void {
    this.broken ??= { state: 'Failed', exitCode, reason };
    try {
      for (const command of step(this.core, { type: 'shell-failed', reason, exitCode }, this.parts.clock.monotonic()))
        this.execute(command);
    } catch {
      this.resolveVerdict({ state: 'Failed', exitCode, reason });
      void this.parts.engine.stop('now');
    }
  }
}

/**
 * One life of the orchestrator: src/orchestrator/orchestrator.ts and creation.ts without promises, around the real
 * core. What it may not do (send before a record is durable, show what is not) is checked where it does it.
 */
import { step } from '../../src/core/step.ts';
import type { CoreCommand, CoreEvent, CoreState, Verdict } from '../../src/core/types.ts';
import type { RunEvent } from '../../src/domain/event.ts';
import type { RunFailure } from '../../src/domain/failure.ts';
import { epochMs, miniBatchIndex, splitWorkerId } from '../../src/domain/ids.ts';
import type { MiniBatchIndex, WorkerId } from '../../src/domain/ids.ts';
import type { Assignment, EngineEvent, TryOutcome } from '../../src/domain/ports.ts';
import { Settlement } from '../../src/orchestrator/settlement.ts';
import { AgentModel } from './agent.ts';
import { CommitterModel } from './committer.ts';
import { MS } from './config.ts';
import type { LedgerModel } from './ledgerfile.ts';
import { Observer } from './observer.ts';
import { holds } from './violation.ts';
import type { World } from './world.ts';

const TICK = 100 * MS;
const NO_SOURCE = new Uint8Array();

export interface Start {
  readonly core: CoreState;
  readonly ledger: LedgerModel;
  readonly spoolEnd: number;
  readonly opening: readonly RunEvent[];
  /** All that is stored, with what this life begins with. */
  readonly past: readonly RunEvent[];
}

export class ShellModel {
  private readonly world: World;
  private readonly core: CoreState;
  private readonly committer: CommitterModel;
  private readonly agent: AgentModel;
  private readonly observer: Observer;
  private readonly items = new Map<MiniBatchIndex, number>();
  private outbox: Assignment[] = [];
  private readonly settlement: Settlement;
  private broken: Verdict | undefined;
  private verdict: Verdict | undefined;
  private stopAsked = false;

  constructor(world: World, start: Start) {
    this.world = world;
    this.core = start.core;
    this.settlement = new Settlement(start.core.config.needsRows);
    this.observer = new Observer(world, start.core, start.past);
    const hooks = {
      ...world.committerWorld(),
      onFailure: () => {
        holds(world.diskFailed, 'commit fails without cause', () => 'neither full disk nor failed sync');
        world.saw('disk full: stopped');
        this.fatal({ kind: 'disk-full', path: 'run' });
      },
      onPressure: (on: boolean) => {
        if (on) world.saw('held back by pressure');
        this.feed({ type: 'pressure', on });
      },
      onCommitted: (workers: readonly WorkerId[]) => this.feed({ type: 'committed', workers }),
    };
    this.committer = new CommitterModel(hooks, start.ledger, world.spool, start.spoolEnd, world.config.pressureBytes);
    this.agent = new AgentModel(world, world.processes + 1, (events) => this.onEngine(events));
    for (const event of start.opening) this.committer.add(event);
  }

  run(): void {
    this.note({ type: 'run-state', at: this.at(), state: 'Running' });
    this.tick();
    if (!this.core.creationFinished) this.create(this.core.created);
    this.agent.start();
  }

  cancel(now: boolean): void {
    if (this.core.phase === 'finished') return;
    this.note({ type: 'cancel-requested', at: this.at(), by: 'SIGINT', now });
    this.feed({ type: 'cancel', now, exitCode: 130 });
  }

  get isIdle(): boolean {
    return this.core.inFlight.size === 0;
  }

  private tick(): void {
    this.world.later(TICK, () => {
      if (this.verdict) return;
      this.feed({ type: 'tick' });
      this.tick();
    });
  }

  private create(from: number): void {
    const { config, random, faults } = this.world;
    if (this.core.phase !== 'running') return;
    const stalled = random.network.chance(faults.creationStalls);
    const pause = stalled ? 400_000 * MS : config.creationPause === 0 ? 0 : random.network.below(config.creationPause);
    this.world.later(pause, () => {
      if (this.core.phase !== 'running') return;
      if (config.creationFails && from > config.items.length / 2) {
        this.world.saw('creation failed');
        return this.feed({ type: 'creation-failed', reason: { kind: 'creation-failed', reason: 'gone' } });
      }
      const chunk = config.items.slice(from, from + config.creationChunk);
      if (chunk.length === 0) return this.createdAll();
      this.world.manifest.append(from, chunk.length);
      const items = chunk.reduce((sum, n) => sum + n, 0);
      this.feed({ type: 'created', count: chunk.length, items });
      const miniBatches = from + chunk.length;
      this.note({ type: 'creation-progress', at: this.at(), miniBatches, items: this.core.items });
      this.create(miniBatches);
    });
  }

  private createdAll(): void {
    this.world.later(this.world.syncTime(), () => {
      this.world.manifest.sync();
      if (this.core.phase !== 'running') return;
      const { length } = this.world.config.items;
      this.note({ type: 'creation-finished', at: this.at(), miniBatches: length, items: this.core.items });
      this.feed({ type: 'creation-finished' });
    });
  }

  // ---- events in ----------------------------------------------------------------------------------------------

  onEngine(events: readonly EngineEvent[]): void {
    for (const event of events) this.onEngineEvent(event);
    this.flushOutbox();
  }

  private onEngineEvent(event: EngineEvent): void {
    switch (event.type) {
      case 'node-joined':
        this.note(event);
        return this.apply({ type: 'node-joined', node: event.node, slots: event.slots });
      case 'node-left':
        this.note(event);
        return this.apply({ type: 'node-left', node: event.node });
      case 'worker-started':
        this.note(event);
        return this.apply({ type: 'worker-started', worker: event.worker, node: splitWorkerId(event.worker).node });
      case 'worker-initialized':
        this.note(event);
        return this.apply({ type: 'worker-ready', worker: event.worker });
      case 'worker-start-failed':
        this.note(event);
        return this.apply({ type: 'worker-start-failed', worker: event.worker, failure: event.failure });
      case 'worker-ended':
        this.note(event);
        return this.apply({ type: 'worker-ended', worker: event.worker });
      case 'try-outcome':
        return this.onOutcome(event);
      case 'assignments-returned':
        for (const { index, dispatch } of event.assignments) {
          this.world.saw('hand-out returned');
          this.apply({ type: 'returned', index, dispatch, worker: event.worker });
        }
        return;
      default:
        return;
    }
  }

  private onOutcome(outcome: TryOutcome): void {
    const { result, index, dispatch, worker } = outcome;
    const items = this.items.get(index) ?? 0;
    const event: CoreEvent = {
      type: 'outcome',
      index,
      dispatch,
      worker,
      items,
      runMs: outcome.timing.runSeconds * 1000,
      result,
    };
    for (const command of this.step(event)) {
      if (command.type === 'settle') this.settle(outcome, items, command);
      else if (command.type === 'late') this.late(outcome);
      else this.execute(command);
    }
  }

  private settle(outcome: TryOutcome, items: number, command: Extract<CoreCommand, { type: 'settle' }>): void {
    this.items.delete(outcome.index);
    const { event, rows, unneeded } = this.settlement.settle(outcome, command, items, undefined);
    if (rows) this.committer.addDone(event, rows);
    else this.committer.add(event);
    for (const part of unneeded) this.world.parts.delete(part);
  }

  private late(outcome: TryOutcome): void {
    const { index, dispatch, worker, result } = outcome;
    this.note({ type: 'outcome-late', at: this.at(), index, dispatch, worker });
    if (!result.ok || result.rows instanceof Uint8Array) return;
    const { part } = result.rows;
    if (!this.committer.needs(part) && !this.settlement.keeps(part)) this.world.parts.delete(part);
  }

  // ---- commands out -------------------------------------------------------------------------------------------

  private feed(event: CoreEvent): void {
    this.apply(event);
    this.flushOutbox();
  }

  private apply(event: CoreEvent): void {
    for (const command of this.step(event)) this.execute(command);
  }

  private step(event: CoreEvent): CoreCommand[] {
    const commands = this.observer.step(event, () => step(this.core, event, this.world.millis()));
    this.world.trace(event, commands);
    return commands;
  }

  private execute(command: CoreCommand): void {
    switch (command.type) {
      case 'dispatch': {
        const { index, dispatch, worker, part, try: attempt } = command;
        const items = this.world.manifest.read(index);
        this.items.set(index, items);
        const handed = { worker, index, dispatch, try: attempt, items, source: NO_SOURCE };
        const assignment: Assignment = part ? { ...handed, part } : handed;
        if (dispatch === 1) this.outbox.push(assignment);
        else this.redispatch(assignment);
        return;
      }
      case 'reserve':
        return this.reserve(command.below);
      case 'warn':
        if (command.warning.kind === 'isolation-off') this.world.saw(`isolation off: ${command.warning.why.kind}`);
        return this.note({ type: 'warning', at: this.at(), warning: command.warning });
      case 'abort':
        return this.note({ type: 'run-aborting', at: this.at(), reason: command.reason });
      case 'stop':
        return this.stop(command.how);
      case 'finish':
        return this.finish(command.verdict);
      default:
        return;
    }
  }

  private flushOutbox(): void {
    const assignments = this.outbox;
    this.outbox = [];
    this.send(assignments);
  }

  private send(assignments: readonly Assignment[]): void {
    for (const assignment of assignments) this.world.stored.leaves(assignment);
    this.agent.dispatch(assignments);
  }

  /** The record of a second hand-out is on the disk before it leaves. */
  private redispatch(assignment: Assignment): void {
    const { index, dispatch, worker } = assignment;
    if (this.world.reallyRan(index)) this.world.saw('in doubt, handed out again, had really run');
    this.note({ type: 'redispatched', at: this.at(), index, dispatch, try: assignment.try, worker });
    this.committer.barrier(() => {
      if (this.committer.broken) return;
      this.send([assignment]);
    });
  }

  /** The list of mini-batches first, then the right to hand them out. */
  private reserve(below: number): void {
    this.world.later(this.world.syncTime(), () => {
      this.world.manifest.sync();
      this.note({ type: 'dispatch-reserved', at: this.at(), below: miniBatchIndex(below) });
      this.committer.barrier(() => {
        if (!this.committer.broken) this.feed({ type: 'reserved', below });
      });
    });
  }

  private stop(how: 'orderly' | 'now'): void {
    const first = !this.stopAsked;
    this.stopAsked = true;
    this.agent.stop(how, () => {
      if (first) this.feed({ type: 'stopped' });
    });
  }

  private fatal(reason: RunFailure): void {
    this.broken ??= { state: 'Failed', exitCode: 3, reason };
    this.apply({ type: 'shell-failed', reason, exitCode: 3 });
  }

  // ---- the end ------------------------------------------------------------------------------------------------

  private finish(verdict: Verdict): void {
    if (this.verdict) return;
    this.verdict = verdict;
    this.observer.verdict(verdict.state, verdict.reason?.kind);
    this.note({ type: 'run-state', at: this.at(), state: 'Finalizing' });
    this.committer.barrier(() => {
      const final = this.broken ?? verdict;
      if (!this.committer.broken) this.world.assemble(final.state === 'Completed');
      const { state, exitCode, reason } = final;
      this.note({ type: 'run-ended', at: this.at(), state, exitCode, ...(reason && { reason }) });
      this.committer.close(() => this.world.ended(this.broken ?? final));
    });
  }

  private note(event: RunEvent): void {
    this.committer.add(event);
  }

  private at() {
    return epochMs(this.world.wall());
  }
}

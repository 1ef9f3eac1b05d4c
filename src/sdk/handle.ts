import type { RunEvent } from '../domain/event.ts';
import type { Clock } from '../domain/ports.ts';
import type { Plan } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import { LedgerReader } from '../ledger/index.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Orchestrator } from '../orchestrator/index.ts';
import { StatusFold } from '../views/status.ts';
import type { RunStatus } from '../views/status.ts';
import type { RunHandle, RunResult } from './types.ts';

/** Keeps the fold of a run and wakes those who follow it. */
export class LiveRun implements RunHandle {
  readonly runId: Plan['runId'];
  readonly folder: string;
  readonly plan: Plan;
  readonly warnings: readonly Problem[];
  private readonly layout: RunLayout;
  private readonly clock: Clock;
  private readonly fold = new StatusFold();
  private readonly sleepers = new Set<() => void>();
  private ended = false;
  private orchestrator: Orchestrator | undefined;
  private canceled: { how: 'orderly' | 'now'; by: 'SIGINT' | 'SIGTERM' | 'command' } | undefined;
  private outcome: Promise<RunResult> | undefined;

  constructor(plan: Plan, layout: RunLayout, warnings: readonly Problem[], clock: Clock) {
    this.runId = plan.runId;
    this.folder = layout.folder;
    this.plan = plan;
    this.layout = layout;
    this.warnings = warnings;
    this.clock = clock;
  }

  /** Takes events as they become durable. */
  publish(events: readonly RunEvent[]): void {
    for (const event of events) this.fold.apply(event);
    this.wake();
  }

  attach(orchestrator: Orchestrator, outcome: Promise<RunResult>): void {
    this.orchestrator = orchestrator;
    this.outcome = outcome;
    void outcome.then(() => {
      this.ended = true;
      this.wake();
    });
    if (this.canceled) orchestrator.cancel(this.canceled.how, this.canceled.by);
  }

  async *events(): AsyncGenerator<RunEvent> {
    const reader = await LedgerReader.open(this.layout.ledger);
    try {
      for (;;) {
        const wasEnded = this.ended;
        const slept = this.sleep();
        const events = await reader.read();
        yield* events;
        if (events.length > 0) continue;
        if (wasEnded) return;
        await slept;
      }
    } finally {
      await reader.close();
    }
  }

  status(): RunStatus {
    return this.fold.status(this.clock.now());
  }

  result(): Promise<RunResult> {
    if (!this.outcome) throw new Error('the run has not been started');
    return this.outcome;
  }

  cancel(how: 'orderly' | 'now' = 'orderly', by: 'SIGINT' | 'SIGTERM' | 'command' = 'command'): void {
    this.canceled = { how, by };
    this.orchestrator?.cancel(how, by);
  }

  private sleep(): Promise<void> {
    if (this.ended) return Promise.resolve();
    return new Promise((resolve) => this.sleepers.add(resolve));
  }

  private wake(): void {
    const sleepers = [...this.sleepers];
    this.sleepers.clear();
    for (const wake of sleepers) wake();
  }
}

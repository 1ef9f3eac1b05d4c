/**
 * The state of a run in numbers, folded from its events. Command line, logs, portal and SDK all show this fold, so
 * their numbers cannot disagree. Memory: per worker, per failing mini-batch that is not settled yet, and per kind of
 * error; nothing per mini-batch, so a run of millions costs no more than a run of hundreds.
 */
import { unreachable } from '../domain/assert.ts';
import type { RunEvent, RunState, TryFinished, WorkerShutDown } from '../domain/event.ts';
import type { RunFailure } from '../domain/failure.ts';
import type { EpochMs, MiniBatchIndex, RunId } from '../domain/ids.ts';
import type { ExitCode } from '../domain/problem.ts';
import { DeadLetterExamples } from './deadexamples.ts';
import { ErrorGroupsFold } from './errors.ts';
import { FailedParts } from './failedparts.ts';
import { WorkerStates } from './presence.ts';
import { SettledCounts, deadItemsOf, openedAgain } from './settledcounts.ts';
import type { ItemCounts, MiniBatchCounts, RunMetrics, RunStage, RunStatus, ShutdownFailures } from './status-types.ts';
import { Throughput } from './throughput.ts';
import { isNews } from './text/warning.ts';

export type { ErrorExample, ErrorGroup } from './errors.ts';
export type { NodeState, RunningTry, WorkerCounts } from './presence.ts';
export type {
  DeadLetterExample,
  ItemCounts,
  MiniBatchCounts,
  RunMetrics,
  RunStage,
  RunStatus,
  ShutdownFailures,
} from './status-types.ts';

const SLOWEST_MAX = 5;

export class StatusFold {
  private runId = '' as RunId;
  private state: RunState = 'NotStarted';
  private exitCode: ExitCode | undefined;
  private reason: RunFailure | undefined;
  private startedAt: EpochMs | undefined;
  private endedAt: EpochMs | undefined;
  private createdMiniBatches = 0;
  private createdItems = 0;
  private creationFinished = false;
  private succeeded = 0;
  private failed = 0;
  private partial = 0;
  private itemsProcessed = 0;
  private itemsSucceeded = 0;
  private itemsFailed = 0;
  private deadLetters = 0;
  private retries = 0;
  private isolationRuns = 0;
  private requeues = 0;
  private lateOutcomes = 0;
  private warnings = 0;
  private canceling = false;
  /** What is waited for to get space. */
  private readonly fullDisks = new Set<string>();
  private shutdownFailures: ShutdownFailures | undefined;
  private output: RunStatus['output'] | undefined;
  private readonly errors = new ErrorGroupsFold();
  private readonly parts = new FailedParts();
  private readonly settledCounts = new SettledCounts();
  private readonly deadExamples = new DeadLetterExamples();
  private readonly presence = new WorkerStates();
  private readonly throughput = new Throughput();

  /** Takes the next event, in the order of the run. */
  apply(event: RunEvent): void {
    switch (event.type) {
      case 'try-begun':
        this.presence.begun(event);
        this.throughput.start(event.at);
        return;
      case 'try-finished':
        this.finished(event);
        return;
      case 'run-created':
        this.runId = event.runId;
        this.startedAt ??= event.at;
        return;
      case 'run-resumed':
        this.reopened();
        this.output = undefined;
        for (const { index, items } of openedAgain(event)) this.triedAnew(index, items);
        return;
      case 'run-state':
        this.state = event.state;
        if (event.state === 'Preparing') this.reopened();
        return;
      case 'creation-progress':
      case 'creation-finished':
        this.createdMiniBatches = event.miniBatches;
        this.createdItems = event.items;
        if (event.type === 'creation-finished') this.creationFinished = true;
        return;
      case 'worker-start-failed':
        this.presence.apply(event);
        this.errors.startFailed(event);
        return;
      case 'worker-shut-down':
        return this.shutDown(event);
      case 'node-joined':
      case 'node-left':
      case 'worker-started':
      case 'worker-loaded':
      case 'worker-initialized':
      case 'worker-ended':
        this.presence.apply(event);
        return;
      case 'outcome-late':
        this.lateOutcomes += 1;
        return;
      case 'warning':
        if (!isNews(event.warning)) this.warnings += 1;
        if (event.warning.kind === 'disk-full') this.waitedFor(event.warning);
        return;
      case 'run-aborting':
        this.reason = event.reason;
        return;
      case 'cancel-requested':
        this.canceling = true;
        return;
      case 'output-assembled':
        this.output = {
          path: event.path,
          rows: event.rows,
          bytes: event.bytes,
          ...(event.uploaded !== undefined && { uploaded: event.uploaded }),
        };
        return;
      case 'run-ended':
        this.state = event.state;
        this.exitCode = event.exitCode;
        this.endedAt = event.at;
        this.reason = event.reason ?? (event.state === 'Failed' ? this.reason : undefined);
        return;
      case 'code-snapshotted':
      case 'environment-ready':
      case 'schema-decided':
      case 'dispatch-reserved':
      case 'redispatched':
      case 'recorded':
        return;
      default:
        return unreachable(event);
    }
  }

  private waitedFor({ path, waiting }: { readonly path: string; readonly waiting: boolean }): void {
    if (waiting) this.fullDisks.add(path);
    else this.fullDisks.delete(path);
  }

  private shutDown({ worker, status, seconds, traceback }: WorkerShutDown): void {
    if (status === 'SHUTDOWN_DONE') return;
    const example = { worker, status, seconds, ...(traceback === undefined ? {} : { traceback }) };
    const before = this.shutdownFailures;
    this.shutdownFailures = { workers: (before?.workers ?? 0) + 1, example: before?.example ?? example };
  }

  private finished(event: TryFinished): void {
    this.presence.finished(event);
    this.throughput.start(event.timing.start1);
    if (event.part === undefined) this.errors.tryFailed(event);
    else if (event.settles !== 'requeue') this.isolationRuns += 1;
    switch (event.settles) {
      case 'done':
      case 'partial':
      case 'failed':
        this.settled(event);
        return;
      case 'narrow':
        this.parts.keep(event);
        return;
      case 'part':
        return;
      case 'retry':
        this.retries += 1;
        return;
      case 'requeue':
        this.requeues += 1;
        return;
      default:
        return unreachable(event.settles);
    }
  }

  /** A mini-batch has come to its end; only now its items count. */
  private settled(event: TryFinished): void {
    const causes = this.parts.take(event);
    if (event.settles === 'done') this.succeeded += 1;
    else this.failed += 1;
    if (event.settles === 'partial') this.partial += 1;
    this.itemsSucceeded += event.succeeded;
    this.itemsFailed += event.failed;
    this.itemsProcessed += event.items;
    this.deadLetters += deadItemsOf(event);
    this.settledCounts.note(event);
    this.errors.settled(event, causes);
    this.deadExamples.settled(event, causes);
    this.throughput.add(event.at, event.items);
  }

  /** A run that is taken up again: its former end no longer holds, and its former workers are gone. */
  private reopened(): void {
    this.presence.reset();
    this.parts.clear();
    this.fullDisks.clear();
    this.endedAt = undefined;
    this.exitCode = undefined;
    this.reason = undefined;
    this.canceling = false;
  }

  /** A settled mini-batch is open again: what it had counted no longer does. */
  private triedAnew(index: MiniBatchIndex, items: number): void {
    const counted = this.settledCounts.takeBack(index, items);
    if (counted.asFailed) this.failed -= 1;
    else this.succeeded -= 1;
    if (counted.partial) this.partial -= 1;
    this.itemsSucceeded -= counted.succeeded;
    this.itemsFailed -= counted.failed;
    this.itemsProcessed -= items;
    this.deadLetters -= counted.dead;
    this.errors.reopened(index);
    this.deadExamples.reopened(index);
  }

  /** @param nowMs wall clock; after the end of the run it has no influence. */
  status(nowMs: number): RunStatus {
    const now = this.endedAt ?? nowMs;
    const miniBatches = this.miniBatchCounts();
    const items = this.itemCounts();
    const rates = this.throughput.rates(now);
    const { created, creationFinished, processed, remaining } = miniBatches;
    const progress = !creationFinished ? undefined : created === 0 ? 1 : Math.min(1, processed / created);
    const working = creationFinished && this.state === 'Running' && this.reason === undefined && !this.canceling;
    const eta = working ? etaSeconds(remaining, items.remaining, rates) : undefined;
    return {
      runId: this.runId,
      state: this.state,
      ...(this.exitCode === undefined ? {} : { exitCode: this.exitCode }),
      ...(this.reason === undefined ? {} : { reason: this.reason }),
      ...(this.startedAt === undefined ? {} : { startedAt: this.startedAt }),
      ...(this.endedAt === undefined ? {} : { endedAt: this.endedAt }),
      elapsedSeconds: this.startedAt === undefined ? 0 : Math.max(0, now - this.startedAt) / 1000,
      stage: this.stage(),
      miniBatches,
      items,
      ...(progress === undefined ? {} : { progress }),
      ...rates,
      ...(eta === undefined ? {} : { etaSeconds: eta }),
      nodes: this.presence.nodes(),
      workers: this.presence.counts(this.expectsWorkers()),
      slowest: this.presence.slowest(SLOWEST_MAX),
      retries: this.retries,
      isolationRuns: this.isolationRuns,
      requeues: this.requeues,
      lateOutcomes: this.lateOutcomes,
      errorGroups: this.errors.groups(),
      deadLetterExamples: this.deadExamples.list(),
      warnings: this.warnings,
      ...(this.shutdownFailures === undefined ? {} : { shutdownFailures: this.shutdownFailures }),
      ...(this.output === undefined ? {} : { output: this.output }),
      metrics: metricsOf(miniBatches, items, progress),
    };
  }

  private miniBatchCounts(): MiniBatchCounts {
    const processed = this.succeeded + this.failed;
    return {
      created: this.createdMiniBatches,
      creationFinished: this.creationFinished,
      processed,
      succeeded: this.succeeded,
      failed: this.failed,
      partial: this.partial,
      narrowing: this.parts.miniBatches,
      running: this.presence.running,
      remaining: Math.max(0, this.createdMiniBatches - processed),
    };
  }

  private itemCounts(): ItemCounts {
    return {
      created: this.createdItems,
      processed: this.itemsProcessed,
      succeeded: this.itemsSucceeded,
      failed: this.itemsFailed,
      deadLetters: this.deadLetters,
      remaining: Math.max(0, this.createdItems - this.itemsProcessed),
    };
  }

  private expectsWorkers(): boolean {
    return (this.state === 'Preparing' || this.state === 'Running') && this.reason === undefined && !this.canceling;
  }

  private stage(): RunStage {
    switch (this.state) {
      case 'NotStarted':
        return 'not started';
      case 'Preparing':
        return 'preparing code and environment';
      case 'Running':
        return this.runningStage();
      case 'Finalizing':
        return this.fullDisks.size > 0 ? 'waiting for disk space' : 'assembling the output';
      case 'CancelRequested':
        return 'canceling';
      case 'Completed':
        return 'completed';
      case 'Failed':
        return 'failed';
      case 'Canceled':
        return 'canceled';
      default:
        return unreachable(this.state);
    }
  }

  private runningStage(): RunStage {
    if (this.reason !== undefined) return 'stopping';
    if (this.canceling) return 'canceling';
    if (this.fullDisks.size > 0) return 'waiting for disk space';
    if (!this.presence.anyReady && this.succeeded + this.failed === 0) {
      return this.createdMiniBatches === 0 && !this.creationFinished ? 'creating mini-batches' : 'waiting for workers';
    }
    const open = this.createdMiniBatches - this.succeeded - this.failed;
    if (this.creationFinished && open === 0 && this.createdMiniBatches > 0) return 'shutting down workers';
    return this.creationFinished ? 'running' : 'running while mini-batches are created';
  }
}

interface Rates {
  readonly itemsPerSecond?: number;
  readonly miniBatchesPerSecond?: number;
}

function etaSeconds(miniBatches: number, items: number, rates: Rates): number | undefined {
  if (miniBatches === 0) return 0;
  if (rates.itemsPerSecond !== undefined && rates.itemsPerSecond > 0 && items > 0) return items / rates.itemsPerSecond;
  if (rates.miniBatchesPerSecond !== undefined && rates.miniBatchesPerSecond > 0) {
    return miniBatches / rates.miniBatchesPerSecond;
  }
  return undefined;
}

function metricsOf(miniBatches: MiniBatchCounts, items: ItemCounts, progress: number | undefined): RunMetrics {
  return {
    'Total mini-batches': miniBatches.created,
    'Processed mini-batches': miniBatches.processed,
    'Remaining mini-batches': miniBatches.remaining,
    'Total items': items.created,
    'Processed items': items.processed,
    'Failed items': items.failed,
    'Remaining items': items.remaining,
    'Job progress': progress === undefined ? 0 : Math.round(progress * 10_000) / 100,
  };
}

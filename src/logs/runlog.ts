/**
 * Turns the events of a run into the files of contract 3. Text only: it decides nothing about the run, and a sink
 * that loses everything changes nothing for it.
 */
import { unreachable } from '../domain/assert.ts';
import type { RunEvent } from '../domain/event.ts';
import { logPath } from '../domain/layout.ts';
import type { Clock } from '../domain/ports.ts';
import { DeadLettersFold, deadLetterLine } from '../views/deadletters.ts';
import { StatusFold, type RunStatus } from '../views/status.ts';
import { WorkersFold } from '../views/workers.ts';
import type { RunLogContext } from './context.ts';
import { ErrorLog } from './error-log.ts';
import { MasterLog } from './master-log.ts';
import { Overview } from './overview.ts';
import { jobErrorText, jobResultText, README_TEXT } from './result-files.ts';
import type { FileLogSink } from './sink.ts';
import { nodeSummaryCsv, processSummaryCsv } from './summaries.ts';
import { PROCESSED_HEADER, WorkerLog } from './worker-log.ts';

/** What stands first in a file. */
const HEADS = [
  [logPath.readme, README_TEXT],
  [logPath.processedMiniBatches, PROCESSED_HEADER],
] as const;
const PROGRESS_EVERY_MS = 10_000;
const SUMMARIES_EVERY_MS = 30_000;

export type RunLogSink = Pick<FileLogSink, 'append' | 'replace' | 'flush'>;

export interface RunLog {
  /** Events of an earlier part of a resumed run, before any other call: counted, not written again. */
  prime(events: Iterable<RunEvent>): void;
  /** Dead letters are written only once this has resolved: somebody else mends their file. It never rejects. */
  holdDeadLetters(until: Promise<unknown>): void;
  /** The next events, in their order. Never throws for what they hold. */
  apply(events: readonly RunEvent[]): void;
  /** To be called about once a second: progress lines and summaries are written when their time has come. */
  tick(): void;
  /** Writes the last summaries and waits until all is on its way to the disk. The sink stays open. */
  close(): Promise<void>;
}

export function createRunLog(sink: RunLogSink, context: RunLogContext, clock: Clock): RunLog {
  return new RunLogFiles(sink, context, clock);
}

class RunLogFiles implements RunLog {
  private readonly sink: RunLogSink;
  private readonly context: RunLogContext;
  private readonly clock: Clock;
  private readonly status = new StatusFold();
  private readonly workers = new WorkersFold();
  private readonly master: MasterLog;
  private readonly overview: Overview;
  private readonly workerLog: WorkerLog;
  private readonly errorLog: ErrorLog;
  private readonly deadLetters: DeadLettersFold;
  /** Lines of dead letters that wait. */
  private held: string[] | undefined;
  private nextProgress: number;
  private nextSummaries: number;
  private errorsWritten: RunStatus['errorGroups'] | undefined;
  private closed = false;

  constructor(sink: RunLogSink, context: RunLogContext, clock: Clock) {
    this.sink = sink;
    this.context = context;
    this.clock = clock;
    this.master = new MasterLog(sink, context);
    this.overview = new Overview(sink, context);
    this.workerLog = new WorkerLog(sink);
    this.errorLog = new ErrorLog(sink, context);
    this.deadLetters = new DeadLettersFold(context);
    this.nextProgress = clock.monotonic() + PROGRESS_EVERY_MS;
    this.nextSummaries = clock.monotonic() + SUMMARIES_EVERY_MS;
    for (const [path, text] of HEADS) if (context.isBegun?.(path) !== true) sink.append(path, text);
  }

  prime(events: Iterable<RunEvent>): void {
    for (const event of events) this.fold(event);
  }

  holdDeadLetters(until: Promise<unknown>): void {
    const held: string[] = [];
    this.held = held;
    void until.then(() => {
      this.held = undefined;
      for (const line of held) this.sink.append(logPath.deadLetters, line);
    });
  }

  apply(events: readonly RunEvent[]): void {
    let at: number | undefined;
    for (const event of events) {
      this.fold(event);
      if (event.type === 'try-begun') this.workerLog.begun(event);
      else if (event.type === 'try-finished') {
        this.workerLog.finished(event);
        if (event.failure !== undefined) this.errorLog.tryFailed(event);
        for (const letter of this.deadLetters.apply(event)) this.deadLetter(deadLetterLine(letter));
      } else {
        // Only these can change the stage of the run: the counts are not looked at for each mini-batch.
        at = event.at;
        this.rare(event);
      }
      this.master.apply(event);
      if (event.type === 'run-ended') this.end(event.at);
    }
    if (at !== undefined) this.overview.stageOf(this.status.status(at), at);
  }

  tick(): void {
    if (this.closed) return;
    const now = this.clock.monotonic();
    // the last mini-batch ends with no event but its own
    const wall = this.clock.now();
    this.overview.stageOf(this.status.status(wall), wall);
    if (now >= this.nextProgress) {
      this.nextProgress = now + PROGRESS_EVERY_MS;
      const at = this.clock.now();
      const status = this.status.status(at);
      if (status.endedAt === undefined) {
        this.overview.progress(status, at);
        this.master.progress(status, at);
      }
    }
    if (now >= this.nextSummaries) {
      this.nextSummaries = now + SUMMARIES_EVERY_MS;
      this.writeSummaries();
    }
  }

  async close(): Promise<void> {
    if (!this.closed) this.writeSummaries();
    this.closed = true;
    await this.sink.flush();
  }

  private deadLetter(line: string): void {
    if (this.held === undefined) this.sink.append(logPath.deadLetters, line);
    else this.held.push(line);
  }

  private fold(event: RunEvent): void {
    this.status.apply(event);
    this.workers.apply(event);
  }

  /** Everything but tries. */
  private rare(event: Exclude<RunEvent, { type: 'try-begun' | 'try-finished' }>): void {
    switch (event.type) {
      case 'worker-started':
        return this.workerLog.started(event);
      case 'worker-loaded':
        return this.workerLog.loaded(event);
      case 'worker-initialized':
        return this.workerLog.initialized(event);
      case 'worker-start-failed':
        this.errorLog.startFailed(event);
        return this.workerLog.startFailed(event);
      case 'worker-shut-down':
        this.errorLog.shutDown(event);
        return this.workerLog.shutDown(event);
      case 'worker-ended':
        return this.workerLog.ended(event);
      case 'creation-finished':
        return this.overview.creationFinished(event.miniBatches, event.items, event.at);
      case 'run-aborting':
      case 'cancel-requested':
      case 'warning':
      case 'output-assembled':
        return this.overview.event(event);
      case 'run-created':
      case 'run-resumed':
      case 'run-state':
      case 'code-snapshotted':
      case 'environment-ready':
      case 'schema-decided':
      case 'creation-progress':
      case 'node-joined':
      case 'node-left':
      case 'outcome-late':
      case 'dispatch-reserved':
      case 'redispatched':
      case 'recorded':
      case 'run-ended':
        return;
      default:
        return unreachable(event);
    }
  }

  private end(at: number): void {
    const status = this.status.status(at);
    this.overview.stageOf(status, at);
    this.overview.end(status, at);
    this.master.end(status, at);
    this.sink.replace(logPath.jobResult, jobResultText(status, this.context));
    this.writeSummaries();
  }

  private writeSummaries(): void {
    this.sink.replace(logPath.processSummary, processSummaryCsv(this.workers.processes()));
    this.sink.replace(logPath.nodeSummary, nodeSummaryCsv(this.workers.nodes()));
    const groups = this.status.status(this.clock.now()).errorGroups;
    if (groups === this.errorsWritten) return;
    this.errorsWritten = groups;
    this.sink.replace(logPath.jobError, jobErrorText(groups, this.context));
  }
}

/** `logs/overview.txt`: a run for people, a line each few seconds and at each change; its verdict and cause last. */
import { unreachable } from '../domain/assert.ts';
import type { CancelRequested, OutputAssembled, RunAborting, RunWarning } from '../domain/event.ts';
import { logPath } from '../domain/layout.ts';
import { utcStamp } from '../domain/logline.ts';
import type { LogSink } from '../domain/ports.ts';
import type { RunStatus } from '../views/status.ts';
import { endLines, type RunContext } from '../views/text/cause.ts';
import { codeOfRunFailure } from '../views/text/codes.ts';
import { runFailureSentence } from '../views/text/verdict.ts';
import { isNews, warningText } from '../views/text/warning.ts';
import { count, counted, duration, miniBatches, safeText } from '../views/text/words.ts';

const WARNINGS_MAX = 50;

export class Overview {
  private readonly sink: LogSink;
  private readonly context: RunContext;
  private stage: RunStatus['stage'] | undefined;
  private warnings = 0;

  constructor(sink: LogSink, context: RunContext) {
    this.sink = sink;
    this.context = context;
  }

  /** Writes a line where the stage is another one than at the last call. */
  stageOf(status: RunStatus, at: number): void {
    if (status.stage === this.stage) return;
    this.stage = status.stage;
    this.progress(status, at);
  }

  progress(status: RunStatus, at: number): void {
    this.line(at, progressText(status));
  }

  creationFinished(batches: number, items: number, at: number): void {
    this.line(at, `scheduling finished: ${miniBatches(batches)} (tasks) created, ${counted(items, 'item')}`);
  }

  /** What people should see without opening `master.txt`. */
  event(event: RunAborting | CancelRequested | RunWarning | OutputAssembled): void {
    if (event.type === 'warning') {
      this.warnings += 1;
      if (this.warnings === WARNINGS_MAX + 1) this.line(event.at, `warning: there are more, see ${logPath.master}`);
      if (this.warnings > WARNINGS_MAX) return;
    }
    this.line(event.at, eventText(event));
  }

  /** Verdict, counts, cause, places. */
  end(status: RunStatus, at: number): void {
    this.line(at, 'result:');
    this.sink.append(logPath.overview, `${endLines(status, this.context).join('\n')}\n`);
  }

  private line(at: number, text: string): void {
    this.sink.append(logPath.overview, `${utcStamp(at)}  ${text}\n`);
  }
}

function eventText(event: RunAborting | CancelRequested | RunWarning | OutputAssembled): string {
  switch (event.type) {
    case 'run-aborting':
      return `the run ends: ${codeOfRunFailure(event.reason)} ${runFailureSentence(event.reason)}`;
    case 'cancel-requested':
      return `cancel requested by ${event.by}${event.now ? ', at once' : ''}`;
    case 'warning':
      return `${isNews(event.warning) ? '' : 'warning: '}${warningText(event.warning)}`;
    case 'output-assembled':
      return `output assembled: ${counted(event.rows, 'row')} in ${safeText(event.path)}`;
    default:
      return unreachable(event);
  }
}

/** One line: created so far, processed of created, succeeded and failed items, elapsed, time left. */
export function progressText(status: RunStatus): string {
  const { miniBatches: batches, items } = status;
  const left = timeLeft(status);
  return [
    `${status.stage}: ${miniBatches(batches.created)} (${batches.created === 1 ? 'task' : 'tasks'}) created${batches.creationFinished ? '' : ' so far'}`,
    `${count(batches.processed)} of ${count(batches.created)} processed (${count(batches.succeeded)} succeeded, ${count(batches.failed)} failed${batches.partial > 0 ? `, ${count(batches.partial)} of these in part` : ''})`,
    `${count(items.succeeded)} items succeeded, ${count(items.failed)} failed${items.deadLetters > 0 ? ` (${counted(items.deadLetters, 'dead letter')})` : ''}`,
    ...(batches.narrowing > 0 && status.endedAt === undefined
      ? [`${miniBatches(batches.narrowing)} being narrowed down`]
      : []),
    `elapsed ${duration(status.elapsedSeconds * 1000)}`,
    ...(left === undefined ? [] : [left]),
  ].join('; ');
}

/** Undefined where nothing more is going to be done. */
function timeLeft(status: RunStatus): string | undefined {
  if (status.state !== 'Running' || status.reason !== undefined || status.stage === 'canceling') return undefined;
  if (status.etaSeconds !== undefined) return `about ${duration(status.etaSeconds * 1000)} left`;
  return status.miniBatches.creationFinished
    ? 'time left not known yet'
    : 'time left not known until all mini-batches are created';
}

/** `logs/master.txt`: the orchestrator's view, `YYYY-MM-DD HH:MM:SS,mmm|LEVEL|pid|thread|message`, UTC. */
import { unreachable } from '../domain/assert.ts';
import type { RunEvent, TryFinished } from '../domain/event.ts';
import { logPath } from '../domain/layout.ts';
import { logStamp } from '../domain/logline.ts';
import type { LogSink } from '../domain/ports.ts';
import { dropsParts, endsMiniBatch } from '../views/failedparts.ts';
import { frameOf } from '../views/frame.ts';
import type { RunStatus } from '../views/status.ts';
import { codeOfRunFailure, codeOfStartFailure, codeOfTryFailure } from '../views/text/codes.ts';
import { itemText } from '../views/text/deadletters.ts';
import { exitText, failureTitle, frameText } from '../views/text/failure.ts';
import { countsSentence, runFailureSentence, verdictSentence } from '../views/text/verdict.ts';
import { isNews, warningText } from '../views/text/warning.ts';
import { bytes, count, counted, cut, duration, itemsText, miniBatches, safeText } from '../views/text/words.ts';
import type { RunLogContext } from './context.ts';
import { progressText } from './overview.ts';

type Level = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR';
const RANK: Readonly<Record<Level, number>> = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3 };
/** Lines about single failed tries and warnings between two progress lines; what is beyond is counted. */
const MANY_LINES_MAX = 200;

export class MasterLog {
  private readonly sink: LogSink;
  private readonly context: RunLogContext;
  private readonly levelRank: number;
  private pid = 0;
  private creating = false;
  private manyLines = 0;
  private manyLinesOmitted = 0;

  constructor(sink: LogSink, context: RunLogContext) {
    this.sink = sink;
    this.context = context;
    this.levelRank = RANK[context.loggingLevel];
  }

  progress(status: RunStatus, at: number): void {
    if (this.manyLinesOmitted > 0) {
      this.line(
        at,
        'WARNING',
        `${counted(this.manyLinesOmitted, 'more failed try or warning', 'more failed tries and warnings')} not listed here, see ${logPath.processedMiniBatches}`,
      );
    }
    this.manyLines = 0;
    this.manyLinesOmitted = 0;
    this.line(at, 'INFO', `progress: ${progressText(status)}`);
    // Outcomes are shown once they are in the ledger: what is counted here survives any death.
    this.line(
      at,
      'INFO',
      `checkpoint: ${miniBatches(status.miniBatches.processed)} durable; a resumed run goes on from here`,
    );
  }

  end(status: RunStatus, at: number): void {
    const level = status.state === 'Completed' ? 'INFO' : 'ERROR';
    this.always(
      at,
      level,
      `result: ${verdictSentence(status)}; ${countsSentence(status)}; exit code ${status.exitCode ?? 'unknown'}`,
    );
  }

  apply(event: RunEvent): void {
    const { at } = event;
    switch (event.type) {
      case 'try-begun':
        if (this.levelRank === 0) {
          this.line(at, 'DEBUG', `mini-batch ${event.index} try ${event.try} begun on ${safeText(event.worker)}`);
        }
        return;
      case 'try-finished':
        this.tryFinished(event);
        return;
      case 'run-created':
        this.pid = event.pid;
        this.opening(at, event.version);
        return;
      case 'run-resumed':
        this.pid = event.pid;
        this.always(at, 'INFO', resumedText(event));
        for (const change of event.changes) this.always(at, 'WARNING', `changed since: ${safeText(change)}`);
        return;
      case 'run-state':
        if (event.state === 'Running') this.creationStarts(at);
        this.always(at, 'INFO', `state: ${event.state}`);
        return;
      case 'code-snapshotted':
        this.always(
          at,
          'INFO',
          `code snapshot: ${counted(event.files, 'file')}, ${bytes(event.bytes)}, sha256 ${safeText(event.fingerprint)}`,
        );
        return;
      case 'environment-ready':
        this.always(
          at,
          'INFO',
          `environment: ${safeText(event.interpreter)} ${safeText(event.version)}, ${event.built}, ${duration(event.seconds * 1000)}`,
        );
        return;
      case 'schema-decided':
        this.always(
          at,
          'INFO',
          cut(
            `columns: ${event.columns
              .filter(({ hidden }) => hidden !== true)
              .map(({ name, type }) => `${safeText(name)} ${safeText(type)}`)
              .join(', ')}`,
            4000,
          ),
        );
        return;
      case 'creation-progress':
        this.creationStarts(at);
        this.line(
          at,
          'DEBUG',
          `task creation: ${miniBatches(event.miniBatches)} so far, ${counted(event.items, 'item')}`,
        );
        return;
      case 'creation-finished':
        this.creationStarts(at);
        this.always(
          at,
          'INFO',
          `task creation finished: ${miniBatches(event.miniBatches)}, ${counted(event.items, 'item')}`,
        );
        return;
      case 'node-joined':
        this.line(
          at,
          'INFO',
          `node ${safeText(event.node)} (${safeText(event.hostname)}) joined with ${counted(event.slots, 'slot')}`,
        );
        return;
      case 'node-left':
        this.line(at, event.why === 'finished' ? 'INFO' : 'WARNING', `node ${safeText(event.node)} left: ${event.why}`);
        return;
      case 'worker-started':
        this.line(at, 'INFO', `worker ${safeText(event.worker)} started, pid ${event.pid}`);
        return;
      case 'worker-loaded':
        this.line(
          at,
          'INFO',
          `worker ${safeText(event.worker)} loaded the entry script in ${duration(event.seconds * 1000)}`,
        );
        return;
      case 'worker-initialized':
        this.line(at, 'INFO', `worker ${safeText(event.worker)} is ready, init took ${duration(event.seconds * 1000)}`);
        return;
      case 'worker-start-failed':
        this.line(
          at,
          'ERROR',
          `worker ${safeText(event.worker)} failed to start: ${codeOfStartFailure(event.failure)} ${failureTitle(event.failure)}`,
        );
        return;
      case 'worker-shut-down':
        this.line(
          at,
          event.status === 'SHUTDOWN_DONE' ? 'INFO' : 'WARNING',
          `worker ${safeText(event.worker)} shut down: ${event.status}, ${duration(event.seconds * 1000)}`,
        );
        return;
      case 'worker-ended':
        this.line(
          at,
          event.expected ? 'INFO' : 'WARNING',
          `worker ${safeText(event.worker)} ended${event.expected ? '' : ' unexpectedly'}: ${exitText(event.exit)}`,
        );
        return;
      case 'outcome-late':
        this.line(
          at,
          'INFO',
          `mini-batch ${event.index}: a late outcome of hand-out ${event.dispatch} from ${safeText(event.worker)} was dropped`,
        );
        return;
      case 'dispatch-reserved':
        this.line(at, 'DEBUG', `mini-batches below ${event.below} may be handed out`);
        return;
      case 'redispatched':
        this.line(
          at,
          'DEBUG',
          `mini-batch ${event.index} handed out again (hand-out ${event.dispatch}, try ${event.try}) to ${safeText(event.worker)}`,
        );
        return;
      case 'run-aborting':
        this.always(
          at,
          'ERROR',
          `the run ends: ${codeOfRunFailure(event.reason)} ${runFailureSentence(event.reason)}; nothing is handed out any more`,
        );
        return;
      case 'cancel-requested':
        this.always(at, 'WARNING', `cancel requested by ${event.by}${event.now ? ', at once' : ''}`);
        return;
      case 'warning':
        if (isNews(event.warning)) this.line(at, 'INFO', warningText(event.warning));
        else if (this.mayWrite()) this.always(at, 'WARNING', warningText(event.warning));
        return;
      case 'recorded':
        this.line(at, 'DEBUG', `${event.what} ${cut(safeText(event.name), 200)} recorded by ${safeText(event.worker)}`);
        return;
      case 'output-assembled':
        this.always(
          at,
          'INFO',
          `concatenation: ${counted(event.rows, 'row')}, ${bytes(event.bytes)} in ${safeText(event.path)}`,
        );
        return;
      case 'run-ended':
        // The shell of this log writes the result, which needs the counts.
        return;
      default:
        return unreachable(event);
    }
  }

  private opening(at: number, version: string): void {
    this.always(
      at,
      'INFO',
      `run ${this.context.runId}: parallelrun ${safeText(version)}, folder ${safeText(this.context.folder)}`,
    );
    for (const line of this.context.settings) this.always(at, 'INFO', `setting: ${line}`);
    for (const line of this.context.inputs) this.always(at, 'INFO', line);
  }

  private creationStarts(at: number): void {
    if (this.creating) return;
    this.creating = true;
    this.always(at, 'INFO', 'task creation started');
  }

  private tryFinished(event: TryFinished): void {
    if (event.status !== 'RUN_DONE') {
      if (!dropsParts(event)) this.tryFailed(event);
    } else if (event.part !== undefined) this.line(event.at, 'DEBUG', `${this.handOutOf(event)}: good`);
    if (event.part !== undefined && endsMiniBatch(event)) this.narrowed(event);
  }

  private tryFailed(event: TryFinished): void {
    if (!this.mayWrite()) return;
    const { failure, part } = event;
    const frame = failure === undefined ? undefined : frameOf(failure);
    const what = failure === undefined ? event.status : `${codeOfTryFailure(failure)} ${failureTitle(failure)}`;
    const place = frame === undefined ? '' : ` at ${frameText(frame)}`;
    const inputs =
      event.detail === undefined || part !== undefined ? '' : `; inputs: ${cut(safeText(event.detail), 400)}`;
    this.line(
      event.at,
      event.settles === 'failed' ? 'ERROR' : 'WARNING',
      `${this.handOutOf(event)}: ${event.status}: ${what}${place}; ${nextOf(event)}${inputs}`,
    );
  }

  /** The end of a mini-batch that was narrowed down. */
  private narrowed(event: TryFinished): void {
    if (!this.mayWrite()) return;
    const { index, items, succeeded, dead } = event;
    const done = `mini-batch ${index}: ${count(succeeded)} of ${counted(items, 'item')} done`;
    if (event.settles === 'done') return this.line(event.at, 'INFO', `${done}: each part of it went through`);
    if (dead === undefined) {
      return this.line(
        event.at,
        'ERROR',
        `mini-batch ${index} failed for good as a whole: nothing of its parts is used`,
      );
    }
    const first = dead[0] === undefined ? '' : `: ${itemText(this.context, index, dead[0].from)}`;
    const others = event.failed > 1 ? ` and ${count(event.failed - 1)} more` : '';
    this.line(event.at, 'ERROR', `${done}, ${counted(event.failed, 'dead letter')}${first}${others}`);
  }

  private handOutOf({ index, part, worker, pid, try: number }: TryFinished): string {
    const what = part === undefined ? `try ${number} of ${count(this.context.maxTries)}` : itemsText(part);
    return `mini-batch ${index} ${what} on ${safeText(worker)} pid ${pid}`;
  }

  /** Counts a line of which there may be very many. */
  private mayWrite(): boolean {
    this.manyLines += 1;
    if (this.manyLines <= MANY_LINES_MAX) return true;
    this.manyLinesOmitted += 1;
    return false;
  }

  /** Written unless the logging level is above it. */
  private line(at: number, level: Level, message: string): void {
    if (RANK[level] >= this.levelRank) this.always(at, level, message);
  }

  private always(at: number, level: Level, message: string): void {
    this.sink.append(logPath.master, `${logStamp(at)}|${level}|${this.pid}|main|${message}\n`);
  }
}

function nextOf(event: TryFinished): string {
  const { part, settles } = event;
  if (part !== undefined && settles !== 'requeue') {
    return part.to - part.from === 1 ? 'a culprit' : 'a culprit is among them';
  }
  switch (settles) {
    case 'done':
    case 'part':
      return 'done';
    case 'failed':
      return 'failed for good';
    case 'partial':
      return 'failed in part';
    case 'narrow':
      return 'no try is left: its items are narrowed down to the culprits';
    case 'retry':
      return `tried again in ${duration(event.retryAfterMs ?? 0)}`;
    case 'requeue':
      return event.failure?.kind === 'worker-lost'
        ? 'several were under way and none is known to be at fault: each runs again alone, no try used up'
        : 'handed out again, no try used up';
    default:
      return unreachable(settles);
  }
}

function resumedText(event: Extract<RunEvent, { type: 'run-resumed' }>): string {
  const { retried, rebuilt = [] } = event;
  const again = retried.length === 0 ? '' : `; ${miniBatches(retried.length)} that had failed get all tries again`;
  const lost = rebuilt.length === 0 ? '' : `; ${miniBatches(rebuilt.length)} whose rows were lost run again`;
  return `resumed by parallelrun ${event.version}: ${miniBatches(event.settled)} are settled and not run again${again}${lost}`;
}

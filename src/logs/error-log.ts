/**
 * Tracebacks: in `logs/user/error/<ip>/Process-<n>.txt` by process and in `70_driver_log.txt` for all. A script that
 * fails for each of a million mini-batches must not fill the disk: after some megabytes of one and the same error,
 * its entries shrink to their head and the exception line.
 */
import type { TryFinished, WorkerShutDown, WorkerStartFailed } from '../domain/event.ts';
import { splitWorkerId, type WorkerId } from '../domain/ids.ts';
import { logPath } from '../domain/layout.ts';
import { driverLogPrefix, logStamp, tryLabel } from '../domain/logline.ts';
import type { LogSink } from '../domain/ports.ts';
import { signatureOf } from '../domain/signature.ts';
import { dropsParts } from '../views/failedparts.ts';
import type { RunContext } from '../views/text/cause.ts';
import { codeOfStartFailure, codeOfTryFailure } from '../views/text/codes.ts';
import { circumstancesText, failureText, failureTitle, shutdownTitle } from '../views/text/failure.ts';
import { counted, itemsText, safeLines, safeText, startStatusWord } from '../views/text/words.ts';

const WHOLE_CHARS_PER_ERROR = 8 * 1024 * 1024;
const WHOLE_CHARS_OF_ALL = 128 * 1024 * 1024;
const ERRORS_TOLD_APART_MAX = 1000;

export class ErrorLog {
  private readonly sink: LogSink;
  private readonly context: RunContext;
  private readonly written = new Map<string, number>();
  private writtenOfAll = 0;

  constructor(sink: LogSink, context: RunContext) {
    this.sink = sink;
    this.context = context;
  }

  tryFailed(event: TryFinished): void {
    const { failure, part } = event;
    if (failure === undefined || failure.kind === 'canceled' || dropsParts(event)) return;
    const alone = part !== undefined && part.to - part.from === 1;
    const level = (part === undefined ? event.settles === 'failed' : alone) ? 'ERROR' : 'WARNING';
    const head =
      `${level} ${codeOfTryFailure(failure)} mini-batch ${event.index}` +
      (part === undefined ? '' : ` ${itemsText(part)}`) +
      ` try ${event.try} of ${this.context.maxTries} pid ${event.pid} status=${event.status}`;
    // A culprit among others: the item itself follows, or has an entry already. One line is enough.
    const known = part !== undefined && !alone && this.written.has(signatureOf(failure));
    const circumstances = circumstancesText(failure, event);
    const text = `${failureText(failure)}${circumstances === '' ? '' : `\n${circumstances}`}`;
    const whole = known ? undefined : this.takes(signatureOf(failure), text);
    this.write(
      event,
      head,
      this.inputs(event) + (whole ?? `${failureTitle(failure)}\n(same error as above; see there for its traceback)`),
      tryLabel(event.index, event.try),
    );
  }

  private inputs({ index, items, detail = 'none', part }: TryFinished): string {
    if (part === undefined) return `inputs: ${safeText(detail)} (${counted(items, 'item')})\n`;
    const first = this.context.itemName?.(index, part.from) ?? `item ${part.from}`;
    return `inputs: ${safeText(first)} (${counted(part.to - part.from, 'item')} of ${items}, run apart to find the culprit)\n`;
  }

  startFailed(event: WorkerStartFailed): void {
    const { failure } = event;
    const head = `ERROR ${codeOfStartFailure(failure)} worker start failed pid ${event.pid} status=${startStatusWord(failure)}`;
    const whole = this.takes(signatureOf(failure), failureText(failure));
    this.write(event, head, whole ?? `${failureTitle(failure)}\n(same error as above; see there for its traceback)`);
  }

  shutDown(event: WorkerShutDown): void {
    const { status, seconds, traceback } = event;
    if (status === 'SHUTDOWN_DONE') return;
    const title = shutdownTitle({ status, seconds, ...(traceback === undefined ? {} : { traceback }) });
    const trace = traceback === undefined || traceback === '' ? '' : `\n${safeLines(traceback).trimEnd()}`;
    this.write(event, `WARNING PR2209 status=${status}`, title + trace);
  }

  /** The text, unless there has been enough of this error. */
  private takes(signature: string, text: string): string | undefined {
    const known = this.written.get(signature) ?? 0;
    if (known + text.length > WHOLE_CHARS_PER_ERROR || this.writtenOfAll + text.length > WHOLE_CHARS_OF_ALL)
      return undefined;
    if (known > 0 || this.written.size < ERRORS_TOLD_APART_MAX) this.written.set(signature, known + text.length);
    this.writtenOfAll += text.length;
    return text;
  }

  private write(
    event: { readonly at: number; readonly worker: WorkerId },
    head: string,
    body: string,
    label = '',
  ): void {
    const { node, process } = splitWorkerId(event.worker);
    this.sink.append(logPath.userError(node, process), `${logStamp(event.at)} ${head}\n${body}\n\n`);
    const prefix = driverLogPrefix(event.at, safeText(node), safeText(process), label);
    const lines = `${head}\n${body}`.split('\n');
    this.sink.append(logPath.driver, `${prefix}${lines.join(`\n${prefix}`)}\n`);
  }
}

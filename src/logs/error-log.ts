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
import { codeOfStartFailure, codeOfTryFailure } from '../views/text/codes.ts';
import { failureText, failureTitle, shutdownTitle } from '../views/text/failure.ts';
import { counted, safeLines, safeText, startStatusWord } from '../views/text/words.ts';

const WHOLE_CHARS_PER_ERROR = 8 * 1024 * 1024;
const WHOLE_CHARS_OF_ALL = 128 * 1024 * 1024;
const ERRORS_TOLD_APART_MAX = 1000;

export class ErrorLog {
  private readonly sink: LogSink;
  private readonly maxTries: number;
  private readonly written = new Map<string, number>();
  private writtenOfAll = 0;

  constructor(sink: LogSink, maxTries: number) {
    this.sink = sink;
    this.maxTries = maxTries;
  }

  tryFailed(event: TryFinished): void {
    const { failure } = event;
    if (failure === undefined || failure.kind === 'canceled') return;
    const head =
      `${event.settles === 'failed' ? 'ERROR' : 'WARNING'} ${codeOfTryFailure(failure)} mini-batch ${event.index}` +
      ` try ${event.try} of ${this.maxTries} pid ${event.pid} status=${event.status}`;
    const inputs = `inputs: ${safeText(event.detail ?? 'none')} (${counted(event.items, 'item')})\n`;
    const whole = this.takes(signatureOf(failure), failureText(failure));
    this.write(
      event,
      head,
      inputs + (whole ?? `${failureTitle(failure)}\n(same error as above; see there for its traceback)`),
      tryLabel(event.index, event.try),
    );
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

/**
 * `logs/worker/<ip>/Process-<n>.txt` and `processed_mini-batches.csv`: what happened to each try. These lines are
 * written for every mini-batch, at every logging level, so their making has to cost next to nothing.
 */
import type {
  TryBegun,
  TryFinished,
  WorkerEnded,
  WorkerInitialized,
  WorkerLoaded,
  WorkerShutDown,
  WorkerStarted,
  WorkerStartFailed,
} from '../domain/event.ts';
import { splitWorkerId, type MiniBatchIndex, type WorkerId } from '../domain/ids.ts';
import type { ItemRange } from '../domain/minibatch.ts';
import { logPath } from '../domain/layout.ts';
import { logStamp, microStamp } from '../domain/logline.ts';
import type { LogSink } from '../domain/ports.ts';
import { endsMiniBatch } from '../views/failedparts.ts';
import { codeOfStartFailure, codeOfTryFailure } from '../views/text/codes.ts';
import { exitText, failureMessage, failureTitle, shutdownTitle } from '../views/text/failure.ts';
import { safeText, startStatusWord } from '../views/text/words.ts';
import { csvText, seconds6 } from './csv.ts';
import { NarrowingSums } from './narrowing.ts';

export const PROCESSED_HEADER =
  'Mini-batch Id,Picked Count,Ip Address,Process,Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,' +
  'Run Method Seconds,Status,Error Category,Error Message,Mini-batch Detail\n';

/** Per worker: what its lines have in common. */
interface Names {
  readonly path: string;
  readonly node: string;
  readonly process: string;
  readonly csv: string;
}

/** More names than workers of a large run; a script that kills its process each time must not fill the memory. */
const NAMES_MAX = 4096;

export class WorkerLog {
  private readonly sink: LogSink;
  private readonly names = new Map<WorkerId, Names>();
  /** How often an open mini-batch was begun without using up a try (its node was lost). */
  private readonly requeues = new Map<MiniBatchIndex, number>();
  private readonly narrowing = new NarrowingSums();

  constructor(sink: LogSink) {
    this.sink = sink;
  }

  begun(event: TryBegun): void {
    const { path, node } = this.of(event.worker);
    this.sink.append(
      path,
      `${logStamp(event.at)} INFO event=picked mini_batch=${event.index} try=${event.try}${partPair(event.part)} ip=${node} pid=${event.pid} total=${handedOut(event)}\n`,
    );
  }

  finished(event: TryFinished): void {
    const { path, node, csv } = this.of(event.worker);
    const { timing, status, failure, part } = event;
    const start1 = microStamp(timing.start1);
    const run = seconds6(timing.runSeconds);
    const elapsed = seconds6(timing.elapsedSeconds);
    const why =
      failure === undefined ? '' : ` error=${codeOfTryFailure(failure)} message=${quoted(failureTitle(failure))}`;
    this.sink.append(
      path,
      `${logStamp(event.at)} ${levelOf(event)} event=finished mini_batch=${event.index} try=${event.try}${partPair(part)} ip=${node} pid=${event.pid}` +
        (part === undefined
          ? ` total=${event.items} succeeded=${event.succeeded} failed=${event.failed}`
          : partCounts(event)) +
        ` start1=${start1}+00:00 end1=${microStamp(timing.end1)}+00:00` +
        ` start2=${seconds6(timing.start2)} end2=${seconds6(timing.end2)}` +
        ` run_seconds=${run} elapsed_seconds=${elapsed} status=${status}${why}\n`,
    );
    if (event.settles === 'narrow' && part === undefined) this.narrowing.begin(event);
    if (part !== undefined) return this.partFinished(event);
    const errors =
      failure === undefined
        ? ',,'
        : `${failure.kind},${csvText(failureMessage(failure))},${csvText(event.detail ?? '')}`;
    this.sink.append(
      logPath.processedMiniBatches,
      `${event.index},${this.pickedCount(event)},${csv},${start1},${event.items},${event.succeeded},${event.failed},` +
        `${elapsed},${seconds6(timing.end2 - timing.start2)},${run},${status},${errors}\n`,
    );
  }

  /** Parts have no row of their own: their mini-batch has one for all of them, written at its end. */
  private partFinished(event: TryFinished): void {
    const sum = this.narrowing.add(event);
    if (sum === undefined) return;
    const { index, items, succeeded, failed, worker, pid } = event;
    const { path, node, csv } = this.of(worker);
    this.sink.append(
      path,
      `${logStamp(event.at)} ${event.settles === 'done' ? 'INFO' : 'ERROR'} event=narrowed mini_batch=${index} try=${event.try} ip=${node} pid=${pid}` +
        ` total=${items} succeeded=${succeeded} failed=${failed} parts=${sum.parts} status=${sum.status}\n`,
    );
    const message = sum.message === '' ? '' : csvText(sum.message);
    this.sink.append(
      logPath.processedMiniBatches,
      `${index},${this.pickedCount(event) + sum.parts},${csv},${microStamp(sum.start1)},${items},${succeeded},${failed},` +
        `${seconds6(sum.elapsedSeconds)},${seconds6(sum.processSeconds)},${seconds6(sum.runSeconds)},${sum.status},` +
        `${sum.category},${message},${csvText(sum.detail)}\n`,
    );
  }

  /**
   * How often it was begun so far, this time included. Not the number of hand-outs: what a worker was given ahead and
   * gave back unbegun was never picked by anybody.
   */
  private pickedCount(event: TryFinished): number {
    const before = this.requeues.size === 0 ? 0 : (this.requeues.get(event.index) ?? 0);
    if (event.settles === 'requeue') this.requeues.set(event.index, before + 1);
    else if (before > 0 && endsMiniBatch(event)) this.requeues.delete(event.index);
    return event.try + before;
  }

  started(event: WorkerStarted): void {
    this.line(event, 'INFO', `event=started ${this.ids(event.worker, event.pid)}`);
  }

  loaded(event: WorkerLoaded): void {
    this.line(
      event,
      'INFO',
      `event=loaded ${this.ids(event.worker)} seconds=${seconds6(event.seconds)} status=LOAD_DONE`,
    );
    this.stageRow(event, event.seconds, 'LOAD_DONE', ',,');
  }

  initialized(event: WorkerInitialized): void {
    this.line(
      event,
      'INFO',
      `event=initialized ${this.ids(event.worker)} seconds=${seconds6(event.seconds)} status=INIT_DONE`,
    );
    this.stageRow(event, event.seconds, 'INIT_DONE', ',,');
  }

  startFailed(event: WorkerStartFailed): void {
    const { failure } = event;
    const status = startStatusWord(failure);
    const title = failureTitle(failure);
    this.line(
      event,
      'ERROR',
      `event=start-failed ${this.ids(event.worker, event.pid)} seconds=${seconds6(event.seconds)} status=${status}` +
        ` error=${codeOfStartFailure(failure)} message=${quoted(title)}`,
    );
    this.stageRow(event, event.seconds, status, `${failure.kind},${csvText(failureMessage(failure))},`);
  }

  shutDown(event: WorkerShutDown): void {
    const { status, seconds, traceback } = event;
    const level = status === 'SHUTDOWN_DONE' ? 'INFO' : 'WARNING';
    const why =
      status === 'SHUTDOWN_DONE'
        ? ''
        : ` error=PR2209 message=${quoted(shutdownTitle({ status, seconds, ...(traceback === undefined ? {} : { traceback }) }))}`;
    this.line(
      event,
      level,
      `event=shutdown ${this.ids(event.worker)} seconds=${seconds6(seconds)} status=${status}${why}`,
    );
  }

  ended(event: WorkerEnded): void {
    const level = event.expected ? 'INFO' : 'WARNING';
    this.line(event, level, `event=ended ${this.ids(event.worker, event.pid)} exit=${quoted(exitText(event.exit))}`);
    this.names.delete(event.worker);
  }

  private line(event: { readonly at: number; readonly worker: WorkerId }, level: string, text: string): void {
    this.sink.append(this.of(event.worker).path, `${logStamp(event.at)} ${level} ${text}\n`);
  }

  private ids(worker: WorkerId, pid?: number): string {
    return `ip=${this.of(worker).node}${pid === undefined ? '' : ` pid=${pid}`}`;
  }

  /** Load and init: rows with an empty id. */
  private stageRow(event: { at: number; worker: WorkerId }, seconds: number, status: string, errors: string): void {
    const start = microStamp(event.at - seconds * 1000);
    this.sink.append(
      logPath.processedMiniBatches,
      `,,${this.of(event.worker).csv},${start},,,,${seconds6(seconds)},,,${status},${errors}\n`,
    );
  }

  private of(worker: WorkerId): Names {
    const known = this.names.get(worker);
    if (known !== undefined) return known;
    if (this.names.size >= NAMES_MAX) this.names.clear();
    const { node, process } = splitWorkerId(worker);
    const names = {
      path: logPath.worker(node, process),
      node: safeText(node),
      process,
      csv: `${csvText(node)},${csvText(process)}`,
    };
    this.names.set(worker, names);
    return names;
  }
}

/** `part=5-9`: first and last position in the mini-batch, from 0. */
const partPair = (part: ItemRange | undefined): string =>
  part === undefined ? '' : ` part=${part.from}-${part.to - 1}`;

const handedOut = ({ items, part }: { readonly items: number; readonly part?: ItemRange }): number =>
  part === undefined ? items : part.to - part.from;

/** Of a part that also ends its mini-batch the event has the counts of the mini-batch. */
function partCounts(event: TryFinished): string {
  const total = handedOut(event);
  const good = event.status === 'RUN_DONE' && event.settles !== 'failed';
  return ` total=${total} succeeded=${good ? total : 0} failed=${good ? 0 : total}`;
}

function levelOf(event: TryFinished): string {
  if (event.status === 'RUN_DONE') return 'INFO';
  if (event.part !== undefined) return handedOut(event) === 1 ? 'ERROR' : 'WARNING';
  return event.settles === 'failed' ? 'ERROR' : 'WARNING';
}

const quoted = (text: string): string => `"${text.replaceAll('"', "'")}"`;

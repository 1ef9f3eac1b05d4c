import type { EntryFunctions, MiniBatchContext, MiniBatchItems } from '../domain/entry.ts';
import type { ItemRange, MiniBatchSource } from '../domain/minibatch.ts';
import type { AgentHello, FailedMessage, RunMessage } from '../domain/protocol.ts';
import { monotonicSeconds } from './clock.ts';
import type { ExceptionReader } from './exception.ts';
import type { FaultWatch, Settled } from './faults.ts';
import { blamedInput } from './items.ts';
import { takeRows } from './result.ts';
import type { TryResult } from './result.ts';
import { readReturned } from './returned.ts';

export interface TryTools {
  readonly entry: EntryFunctions;
  readonly output: AgentHello['output'];
  /** Absolute. */
  readonly partFolder: string;
  readonly faults: FaultWatch;
  readonly exceptions: ExceptionReader;
}

export interface FinishedTry {
  readonly result: TryResult;
  /** Seconds inside `run`, those of a generator it returned included. */
  readonly seconds: number;
  /** The process must not take another mini-batch. */
  readonly fatal: boolean;
}

/** One hand-out that has been read. */
export interface HandOut {
  readonly message: RunMessage;
  readonly source: MiniBatchSource;
  /** Which items of the source it is about. */
  readonly range: ItemRange;
  readonly items: MiniBatchItems;
}

/** Calls `run` on the items of one hand-out and takes what it returns. Rejects only for defects of the host. */
export async function runTry(hand: HandOut, tools: TryTools): Promise<FinishedTry> {
  tools.faults.begin();
  const finished = await attempt(hand, tools);
  // rejections that nobody handles come out in this turn, before the result counts; `stop` is seen, timers run
  await turn();
  const fault = tools.faults.end();
  const fatal = finished.fatal || fault?.fatal === true;
  if (fault === undefined || !finished.result.ok) return { ...finished, fatal };
  finished.result.abandon();
  return { result: exception(fault.error, hand, tools), seconds: finished.seconds, fatal };
}

async function attempt(hand: HandOut, tools: TryTools): Promise<FinishedTry> {
  const { message, range, items } = hand;
  const start = monotonicSeconds();
  const call = invoke(tools, items, contextOf(hand));
  const settled = call instanceof Promise ? await call : call;
  const seconds = monotonicSeconds() - start;
  if (settled.kind !== 'returned') return failedCall(settled, hand, seconds, tools);
  const returned = readReturned(settled.value);
  if (!returned.ok) {
    return {
      result: { ok: false, error: { kind: 'invalid-return', returned: returned.returned } },
      seconds,
      fatal: false,
    };
  }
  const path = `${tools.partFolder}/${message.i}.${message.d}.part`;
  const taken = takeRows(returned, range.to - range.from, tools.output, path, tools.exceptions);
  if (!(taken instanceof Promise)) {
    return { result: taken, seconds: returned.lazy ? monotonicSeconds() - start : seconds, fatal: false };
  }
  const drained = await tools.faults.settle(taken);
  const total = monotonicSeconds() - start;
  if (drained.kind !== 'returned') return failedCall(drained, hand, total, tools);
  return { result: drained.value, seconds: total, fatal: false };
}

/** A promise only where `run` gave one: a synchronous script pays for no turn of the loop. */
function invoke(
  tools: TryTools,
  items: MiniBatchItems,
  context: MiniBatchContext,
): Settled<unknown> | Promise<Settled<unknown>> {
  try {
    const value = callEntryScript(tools.entry, items, context);
    if (isThenable(value)) return tools.faults.settle(value.then(gathered));
    return hasPromises(value) ? tools.faults.settle(Promise.all(value)) : { kind: 'returned', value };
  } catch (error) {
    return { kind: 'threw', error };
  }
}

/** Its name marks the border between our frames and the script's in a stack text. */
function callEntryScript(entry: EntryFunctions, items: MiniBatchItems, context: MiniBatchContext): unknown {
  return entry.run(items, context);
}

function failedCall(
  settled: Exclude<Settled<unknown>, { kind: 'returned' }>,
  hand: HandOut,
  seconds: number,
  tools: TryTools,
): FinishedTry {
  if (settled.kind === 'fault') {
    return { result: exception(settled.fault.error, hand, tools), seconds, fatal: settled.fault.fatal };
  }
  const { input, ...item } = blamedInput(settled.error, hand.source, hand.range);
  const error = input ?? exceptionOf(settled.error, tools);
  return { result: { ok: false, error, ...item }, seconds, fatal: false };
}

/** An error that went astray: it may name an item, but not the input as the reason why `run` failed. */
function exception(error: unknown, hand: HandOut, tools: TryTools): TryResult {
  const { item } = blamedInput(error, hand.source, hand.range);
  return { ok: false, error: exceptionOf(error, tools), ...(item !== undefined && { item }) };
}

function exceptionOf(error: unknown, tools: TryTools): FailedMessage['error'] {
  return { kind: 'exception', ...tools.exceptions.read(error) };
}

function contextOf({ message, source, items }: HandOut): MiniBatchContext {
  let values: MiniBatchContext['partitionKeyValue'] | undefined;
  return {
    minibatchIndex: message.i,
    // only where it is asked for: rows as objects are made for it
    get partitionKeyValue() {
      return (values ??= keyValues(source, items));
    },
    dataset: null,
    tryNumber: message.t,
  };
}

function keyValues(source: MiniBatchSource, items: MiniBatchItems): MiniBatchContext['partitionKeyValue'] {
  const keys = source.kind === 'rank' ? [] : (source.keys ?? []);
  const row = 'rows' in items ? items.rows[0] : undefined;
  return Object.fromEntries(keys.map(([name, value]) => [name, row ? (row[name] ?? null) : value]));
}

/** `return paths.map(async (path) => ...)`: the rows are what the promises come to. */
function gathered(value: unknown): unknown {
  return hasPromises(value) ? Promise.all(value) : value;
}

function hasPromises(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.some(isThenable);
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

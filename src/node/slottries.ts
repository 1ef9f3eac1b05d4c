/** Mini-batches at a worker: taken, begun, ended, given back. Each that was taken ends in exactly one event. */
import type { Circumstances, ExitFacts, TryFailure } from '../domain/failure.ts';
import { epochMs } from '../domain/ids.ts';
import type { EpochMs } from '../domain/ids.ts';
import type { Assignment, TryOutcome } from '../domain/ports.ts';
import type { TryTiming } from '../domain/event.ts';
import type { BeginMessage, DoneMessage, FailedMessage, OutputMarks } from '../domain/protocol.ts';
import { unreachable } from '../domain/assert.ts';
import { itemOf } from './item.ts';
import { beginKill } from './slotclock.ts';
import { hasProcess, workerOf } from './slot.ts';
import type { Handed, KillReason, Now, Remains, Running, Slot, SlotCommand, SlotLimits } from './slot.ts';

/** A worker that has not begun after so long is reading, not on its way to. */
const READING_MS = 500;

/**
 * Work for a worker that isn't ready goes straight back; but what is for one that ends, or that has had all its
 * mini-batches, stays until it is gone: the core thinks of it as ready and would hand it out again at once, and again.
 */
export function onAssign(
  slot: Slot,
  assignments: readonly Assignment[],
  now: Now,
  limits: SlotLimits,
  out: SlotCommand[],
): void {
  const isReady = slot.phase === 'ready';
  const ends = slot.phase === 'stopping' || slot.phase === 'killing' || slot.phase === 'ending';
  const keeps = isReady || (ends && slot.stage === 'up');
  const mine = keeps ? assignments.filter((a) => a.worker === slot.worker) : [];
  if (mine.length < assignments.length)
    returnAssignments(
      assignments.filter((a) => !mine.includes(a)),
      now,
      out,
    );
  if (mine.length === 0) return;
  if (isReady && slot.waiting.length === 0 && !slot.running) slot.turnSince = now.mono;
  for (const assignment of mine) {
    const { index, dispatch, try: attempt, items, part } = assignment;
    const handed = { index, dispatch, try: attempt, items, part };
    if (isReady && slot.begun + slot.waiting.length < (limits.miniBatchesMax ?? Infinity)) {
      slot.waiting.push(handed);
      out.push({ type: 'send-run', assignment });
    } else slot.held.push(handed);
  }
}

/** Says for each worker which of its hand-outs come back unbegun. */
export function returnAssignments(assignments: readonly Assignment[], now: Now, out: SlotCommand[]): void {
  for (const worker of new Set(assignments.map((a) => a.worker))) {
    const mine = assignments.filter((a) => a.worker === worker);
    const returned = mine.map(({ index, dispatch }) => ({ index, dispatch }));
    out.push({
      type: 'emit',
      event: { type: 'assignments-returned', at: now.wall, worker, assignments: returned },
    });
  }
}

export function onBegin(slot: Slot, message: BeginMessage, now: Now, out: SlotCommand[]): void {
  const next = slot.waiting[0];
  if (slot.running || next?.index !== message.i || next.dispatch !== message.d) {
    return breach(slot, `begin of mini-batch ${message.i}, which is not the next one`, now, out);
  }
  // it is about to be killed for something else: as good as not begun, unless its result still comes
  if (slot.kill) return;
  begin(slot, next, message, now);
  out.push({ type: 'mark', marks: message.o, of: next });
  out.push({
    type: 'emit',
    event: {
      type: 'try-begun',
      at: epochMs(message.w * 1000),
      index: next.index,
      dispatch: next.dispatch,
      worker: workerOf(slot),
      pid: slot.pid,
    },
  });
}

function begin(slot: Slot, next: Handed, message: { w: number; o: OutputMarks }, now: Now): void {
  slot.waiting.shift();
  slot.begun += 1;
  // field by field: a spread costs more than all the rest
  slot.running = {
    index: next.index,
    dispatch: next.dispatch,
    try: next.try,
    items: next.items,
    part: next.part,
    begunAt: now.mono,
    startedAt: epochMs(message.w * 1000),
    pickedAt: slot.turnSince,
    marks: message.o,
  };
}

interface TryEndSeen {
  readonly message: DoneMessage | FailedMessage;
  readonly body: Uint8Array;
  readonly seen?: Circumstances | undefined;
  readonly noRoom?: boolean | undefined;
}

/**
 * A result counts although its worker is being killed meanwhile, because it was complete before the death; but not
 * that of a `run()` which took longer than its limit.
 */
export function onTryEnd(slot: Slot, end: TryEndSeen, now: Now, out: SlotCommand[]): void {
  const { message } = end;
  if (!slot.running) {
    // an input that can't be read fails a try before `run()` is called: there is no begin mark then
    const next = slot.waiting[0];
    if (next?.index === message.i && next.dispatch === message.d) {
      begin(slot, next, { w: message.w[0], o: message.o }, now);
    }
  }
  const running = slot.running;
  if (running?.index !== message.i || running.dispatch !== message.d) {
    return breach(slot, `${message.m} of mini-batch ${message.i}, which is not the running one`, now, out);
  }
  const reason = slot.kill?.reason;
  if (reason?.kind === 'run-timeout' && message.r * 1000 > reason.limitMs) return;
  slot.running = undefined;
  slot.turnSince = now.mono;
  slot.quietSince = now.mono;
  slot.cpuSeconds = message.c[1];
  out.push({ type: 'mark', marks: message.o, of: undefined });
  if (end.noRoom === true) {
    slot.held.push(running);
    return;
  }
  out.push({
    type: 'emit',
    event: {
      type: 'try-outcome',
      at: now.wall,
      worker: workerOf(slot),
      pid: slot.pid,
      index: running.index,
      dispatch: running.dispatch,
      timing: timingOf(message, running, now),
      printed: printedBetween(running.marks, message.o),
      result: resultOf(running, end),
    },
  });
}

/** To the microsecond: what is finer is noise, and every digit is stored once a mini-batch. */
const secondsOf = (ms: number): number => Math.round(ms * 1000) / 1e6;

function timingOf(message: DoneMessage | FailedMessage, running: Running, now: Now): TryTiming {
  const [start1, end1] = message.w;
  return {
    start1: epochMs(start1 * 1000),
    end1: epochMs(end1 * 1000),
    start2: message.c[0],
    end2: message.c[1],
    runSeconds: message.r,
    elapsedSeconds: Math.max(message.r, secondsOf(now.mono - running.pickedAt)),
  };
}

function resultOf(of: Handed, { message, body, seen }: TryEndSeen): TryOutcome['result'] {
  if (message.m === 'failed') {
    const item = itemOf(of, message.item);
    return { ok: false, failure: message.error, ...(item !== undefined && { item }), ...seen };
  }
  const rows = message.part ? { part: message.part.path, bytes: message.part.bytes } : body;
  return { ok: true, returned: message.k, rows, ...(message.columns && { columns: message.columns }) };
}

const printedBetween = (from: OutputMarks, to: OutputMarks): NonNullable<TryOutcome['printed']> => ({
  stdout: [from[0], Math.max(from[0], to[0])],
  stderr: [from[1], Math.max(from[1], to[1])],
});

/**
 * Whether the next mini-batch, which had not begun, is behind the end of its worker: it was out of time; or the worker
 * died by itself after having been at it for a while, which is reading its input. Otherwise it would come back for ever.
 */
function isToBlame(slot: Slot, now: Now): boolean {
  const [next] = slot.waiting;
  if (!next) return false;
  if (slot.kill) return slot.kill.blames === next;
  return !slot.stopAsked && now.mono - slot.turnSince >= READING_MS;
}

/** The worker is dead: the try it was in has failed, what it had not begun goes back. */
export function endAllTries(slot: Slot, exit: ExitFacts, remains: Remains, now: Now, out: SlotCommand[]): void {
  const reason = slot.kill?.reason;
  let ended: Handed | undefined = slot.running;
  if (!ended && isToBlame(slot, now)) ended = slot.waiting.shift();
  if (ended) {
    const timing = timingOfLost(slot, remains, now);
    out.push({
      type: 'emit',
      event: {
        type: 'try-outcome',
        at: now.wall,
        worker: workerOf(slot),
        pid: slot.pid,
        index: ended.index,
        dispatch: ended.dispatch,
        timing,
        result: { ok: false, failure: failureOf(reason, exit, remains), ...remains.seen },
      },
    });
  }
  slot.running = undefined;
  const unbegun = [...slot.waiting, ...slot.held];
  slot.waiting = [];
  slot.held = [];
  giveBack(slot, unbegun, now, out);
}

/** They have not begun and use up nothing. */
export function giveBack(slot: Slot, handed: readonly Handed[], now: Now, out: SlotCommand[]): void {
  if (handed.length === 0) return;
  const assignments = handed.map(({ index, dispatch }) => ({ index, dispatch }));
  const event = { type: 'assignments-returned', at: now.wall, worker: workerOf(slot), assignments } as const;
  out.push({ type: 'emit', event });
}

function failureOf(reason: KillReason | undefined, exit: ExitFacts, remains: Remains): TryFailure {
  const stacks = remains.stacks === undefined ? {} : { stacks: remains.stacks };
  switch (reason?.kind) {
    case 'run-timeout':
      return { kind: 'timeout', limitMs: reason.limitMs, ...stacks };
    case 'overhead-timeout':
      return { kind: 'overhead-timeout', limitMs: reason.limitMs, ...stacks };
    case 'protocol-error':
      return { kind: 'protocol-error', detail: reason.detail };
    case 'stop':
      return { kind: 'canceled' };
    case undefined:
    case 'load-timeout':
    case 'init-timeout':
    case 'shutdown-timeout':
    case 'memory':
    case 'lingering':
      return { kind: 'worker-lost', exit, ...(remains.trace !== undefined && { trace: remains.trace }) };
    default:
      return unreachable(reason);
  }
}

/** Of a try whose worker could not report: the agent's own clocks. CPU seconds as last seen. */
function timingOfLost(slot: Slot, remains: Remains, now: Now): TryTiming {
  const running = slot.running;
  const seconds = running ? (now.mono - running.begunAt) / 1000 : 0;
  const start1: EpochMs = running?.startedAt ?? now.wall;
  return {
    start1,
    end1: now.wall,
    start2: slot.cpuSeconds,
    end2: Math.max(slot.cpuSeconds, remains.cpuSeconds ?? 0),
    runSeconds: seconds,
    elapsedSeconds: secondsOf(now.mono - (running?.pickedAt ?? slot.turnSince)),
  };
}

function breach(slot: Slot, detail: string, now: Now, out: SlotCommand[]): void {
  if (hasProcess(slot) && slot.kill === undefined) beginKill(slot, { kind: 'protocol-error', detail }, false, now, out);
}

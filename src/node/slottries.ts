/** Mini-batches at a worker: taken, begun, ended, given back. Each that was taken ends in exactly one event. */
import type { ExitFacts, TryFailure } from '../domain/failure.ts';
import { epochMs } from '../domain/ids.ts';
import type { EpochMs } from '../domain/ids.ts';
import type { Assignment, TryOutcome } from '../domain/ports.ts';
import type { TryTiming } from '../domain/event.ts';
import type { BeginMessage, DoneMessage, FailedMessage, OutputMarks } from '../domain/protocol.ts';
import { unreachable } from '../domain/assert.ts';
import { beginKill } from './slotclock.ts';
import { hasProcess, workerOf } from './slot.ts';
import type { Handed, KillReason, Now, Remains, Running, Slot, SlotCommand } from './slot.ts';

/** Work for a worker that can't take it (any more) goes straight back. */
export function onAssign(slot: Slot, assignments: readonly Assignment[], now: Now, out: SlotCommand[]): void {
  const mine = slot.phase === 'ready' ? assignments.filter((a) => a.worker === slot.worker) : [];
  if (mine.length < assignments.length)
    returnAssignments(
      assignments.filter((a) => !mine.includes(a)),
      now,
      out,
    );
  if (mine.length === 0) return;
  if (slot.waiting.length === 0 && !slot.running) slot.turnSince = now.mono;
  for (const assignment of mine) {
    slot.waiting.push({ index: assignment.index, dispatch: assignment.dispatch, try: assignment.try });
    out.push({ type: 'send-run', assignment });
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
  slot.running = {
    index: next.index,
    dispatch: next.dispatch,
    try: next.try,
    begunAt: now.mono,
    startedAt: epochMs(message.w * 1000),
    pickedAt: slot.turnSince,
    marks: message.o,
  };
}

/**
 * A result counts although its worker is being killed meanwhile, because it was complete before the death; but not
 * that of a `run()` which took longer than its limit.
 */
export function onTryEnd(
  slot: Slot,
  message: DoneMessage | FailedMessage,
  body: Uint8Array,
  now: Now,
  out: SlotCommand[],
): void {
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
      result: resultOf(message, body),
    },
  });
}

function timingOf(message: DoneMessage | FailedMessage, running: Running, now: Now): TryTiming {
  const [start1, end1] = message.w;
  return {
    start1: epochMs(start1 * 1000),
    end1: epochMs(end1 * 1000),
    start2: message.c[0],
    end2: message.c[1],
    runSeconds: message.r,
    elapsedSeconds: Math.max(message.r, (now.mono - running.pickedAt) / 1000),
  };
}

function resultOf(message: DoneMessage | FailedMessage, body: Uint8Array): TryOutcome['result'] {
  if (message.m === 'failed') return { ok: false, failure: message.error };
  const rows = message.part ? { part: message.part.path, bytes: message.part.bytes } : body;
  return { ok: true, returned: message.k, rows, ...(message.columns && { columns: message.columns }) };
}

const printedBetween = (from: OutputMarks, to: OutputMarks): NonNullable<TryOutcome['printed']> => ({
  stdout: [from[0], Math.max(from[0], to[0])],
  stderr: [from[1], Math.max(from[1], to[1])],
});

/** The worker is dead: the try it was in has failed, what it had not begun goes back. */
export function endAllTries(slot: Slot, exit: ExitFacts, remains: Remains, now: Now, out: SlotCommand[]): void {
  const reason = slot.kill?.reason;
  let ended: Handed | undefined = slot.running;
  if (!ended && slot.kill?.blames && slot.kill.blames === slot.waiting[0]) ended = slot.waiting.shift();
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
        result: { ok: false, failure: failureOf(reason, exit, remains) },
      },
    });
  }
  slot.running = undefined;
  if (slot.waiting.length === 0) return;
  const assignments = slot.waiting.map(({ index, dispatch }) => ({ index, dispatch }));
  slot.waiting = [];
  out.push({
    type: 'emit',
    event: { type: 'assignments-returned', at: now.wall, worker: workerOf(slot), assignments },
  });
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
    elapsedSeconds: (now.mono - (running?.pickedAt ?? slot.turnSince)) / 1000,
  };
}

function breach(slot: Slot, detail: string, now: Now, out: SlotCommand[]): void {
  if (hasProcess(slot) && slot.kill === undefined) beginKill(slot, { kind: 'protocol-error', detail }, false, now, out);
}

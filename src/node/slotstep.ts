/** The steps of a slot: event in, commands out. Synchronous; no clock, no I/O. The states are in `slot.ts`. */
import { invariant, unreachable } from '../domain/assert.ts';
import type { StartFailure } from '../domain/failure.ts';
import type { StageErrorMessage } from '../domain/protocol.ts';
import { PROTOCOL_VERSION } from '../domain/protocol.ts';
import { beginKill, killNow, stepTick } from './slotclock.ts';
import { emptySlot, enter, hasProcess, workerOf } from './slot.ts';
import type { GuardFacts, Now, Remains, Slot, SlotCommand, SlotEvent, SlotLimits } from './slot.ts';
import { endAllTries, giveBack, onAssign, onBegin, onTryEnd } from './slottries.ts';

/** Changes `slot` and appends to `out`. An event that came too late for the worker it is about changes nothing. */
export function stepSlot(slot: Slot, event: SlotEvent, now: Now, limits: SlotLimits, out: SlotCommand[]): void {
  switch (event.type) {
    case 'start':
      return onStart(slot, event.worker, now, out);
    case 'spawned':
      slot.pid = event.pid;
      out.push({
        type: 'emit',
        event: { type: 'worker-started', at: now.wall, worker: workerOf(slot), pid: event.pid },
      });
      return;
    case 'spawn-failed':
      return onSpawnFailed(slot, { kind: 'spawn', command: event.command, reason: event.reason }, now, out);
    case 'message':
      return hasProcess(slot) ? onMessage(slot, event, now, limits, out) : undefined;
    case 'garbage':
      return onProtocolError(slot, event.detail, now, out);
    case 'channel-closed':
      slot.channelClosedAt ??= now.mono;
      return;
    case 'assign':
      return onAssign(slot, event.assignments, now, limits, out);
    case 'stop':
      return onStop(slot, now, out);
    case 'kill':
      return onKill(slot, now, out);
    case 'grown':
      return recycle(slot, 'growth', event.bytes, now, out);
    case 'memory':
      return hasProcess(slot) ? onMemory(slot, event.guard, now, out) : undefined;
    case 'dumped':
      return hasProcess(slot) ? killNow(slot, now, out) : undefined;
    case 'exit':
      return hasProcess(slot) ? onExit(slot, event.exit, event.remains, now, out) : undefined;
    case 'swept':
      return onSwept(slot, now, out);
    case 'tick':
      return onTick(slot, now, limits, out);
    default:
      return unreachable(event);
  }
}

function onStart(slot: Slot, worker: Slot['worker'], now: Now, out: SlotCommand[]): void {
  invariant(slot.phase === 'empty' && worker !== undefined, 'only an empty slot takes a worker');
  Object.assign(slot, emptySlot(), { worker, spawnedAt: now.mono });
  enter(slot, 'starting', now);
  out.push({ type: 'spawn', worker });
}

function onSpawnFailed(slot: Slot, failure: StartFailure, now: Now, out: SlotCommand[]): void {
  emitStartFailure(slot, failure, 0, now, out);
  slot.exit = { by: 'code', code: 127 };
  slot.kill = undefined;
  enter(slot, 'ending', now);
  out.push({ type: 'sweep' });
}

function onMessage(
  slot: Slot,
  { message, body, seen, noRoom }: Extract<SlotEvent, { type: 'message' }>,
  now: Now,
  limits: SlotLimits,
  out: SlotCommand[],
): void {
  switch (message.m) {
    case 'begin':
      onBegin(slot, message, now, out);
      return recycleByAge(slot, limits, now, out);
    case 'done':
    case 'failed':
      onTryEnd(slot, { message, body, seen, noRoom }, now, out);
      // the agent starts the next one when there is space
      if (noRoom === true && slot.phase === 'ready') askToStop(slot, now, out);
      return recycleByAge(slot, limits, now, out);
    case 'hello':
      if (message.protocol === PROTOCOL_VERSION) advance(slot, 'starting', 'loading', message.m, now, out);
      else onProtocolError(slot, `worker host speaks protocol ${message.protocol}, not ${PROTOCOL_VERSION}`, now, out);
      return;
    case 'loaded':
      if (!advance(slot, 'loading', 'initializing', message.m, now, out)) return;
      slot.stage = 'init';
      out.push({
        type: 'emit',
        event: { type: 'worker-loaded', at: now.wall, worker: workerOf(slot), seconds: message.s },
      });
      return;
    case 'initialized':
      if (!advance(slot, 'initializing', 'ready', message.m, now, out)) return;
      slot.stage = 'up';
      out.push({
        type: 'emit',
        event: { type: 'worker-initialized', at: now.wall, worker: workerOf(slot), seconds: message.s },
      });
      return;
    case 'stage-error':
      return onStageError(slot, message, now, out);
    case 'bye':
      slot.saidBye = true;
      slot.quietSince = now.mono;
      emitShutDown(
        slot,
        slot.shutdownTraceback === undefined ? 'SHUTDOWN_DONE' : 'SHUTDOWN_EXCEPTION',
        message.s,
        now,
        out,
      );
      if (slot.phase === 'ready') enter(slot, 'stopping', now);
      return;
    case 'record': {
      const { what, name, value } = message;
      out.push({
        type: 'emit',
        event: { type: 'recorded', at: now.wall, worker: workerOf(slot), what, name, value },
      });
      return;
    }
    case 'debug-waiting':
      return;
    default: {
      const unknown: never = message;
      return onProtocolError(slot, `unknown message ${String((unknown as { m: unknown }).m)}`, now, out);
    }
  }
}

/** @returns true where the worker is in the phase that this message ends; out of turn it is a broken protocol. */
function advance(
  slot: Slot,
  from: Slot['phase'],
  to: Slot['phase'],
  message: string,
  now: Now,
  out: SlotCommand[],
): boolean {
  if (slot.phase === from) {
    enter(slot, to, now);
    return true;
  }
  if (slot.phase !== 'killing' && slot.phase !== 'stopping') onProtocolError(slot, `${message} out of turn`, now, out);
  return false;
}

function onStageError(slot: Slot, message: StageErrorMessage, now: Now, out: SlotCommand[]): void {
  const { stage, error } = message;
  if (stage === 'shutdown') {
    slot.shutdownTraceback = error.kind === 'exception' ? error.traceback : '';
    return;
  }
  if (slot.phase === 'killing' || slot.startFailureTold) return;
  slot.startFailureTold = true;
  const failure: StartFailure =
    error.kind === 'exception'
      ? { ...error, kind: stage === 'load' ? 'load-exception' : 'init-exception' }
      : { kind: 'no-run-function', file: error.file, defined: error.defined };
  emitStartFailure(slot, failure, message.s, now, out);
  slot.quietSince = now.mono;
  enter(slot, 'stopping', now);
}

function emitStartFailure(slot: Slot, failure: StartFailure, seconds: number, now: Now, out: SlotCommand[]): void {
  slot.startFailed = true;
  out.push({
    type: 'emit',
    event: { type: 'worker-start-failed', at: now.wall, worker: workerOf(slot), pid: slot.pid, seconds, failure },
  });
}

function emitShutDown(
  slot: Slot,
  status: 'SHUTDOWN_DONE' | 'SHUTDOWN_EXCEPTION' | 'SHUTDOWN_TIMEOUT',
  seconds: number,
  now: Now,
  out: SlotCommand[],
): void {
  if (slot.shutDownTold) return;
  slot.shutDownTold = true;
  const traceback = status === 'SHUTDOWN_EXCEPTION' ? { traceback: slot.shutdownTraceback ?? '' } : {};
  out.push({
    type: 'emit',
    event: { type: 'worker-shut-down', at: now.wall, worker: workerOf(slot), status, seconds, ...traceback },
  });
}

function onProtocolError(slot: Slot, detail: string, now: Now, out: SlotCommand[]): void {
  if (hasProcess(slot) && slot.kill === undefined) beginKill(slot, { kind: 'protocol-error', detail }, false, now, out);
}

/** A ready worker finishes its mini-batch and shuts down; one that never got ready has nothing to finish. */
function onStop(slot: Slot, now: Now, out: SlotCommand[]): void {
  if (!hasProcess(slot) || slot.stopAsked) return;
  slot.stopAsked = true;
  if (slot.phase === 'ready') askToStop(slot, now, out);
  else if (slot.stage !== 'up' && slot.kill === undefined && !slot.startFailureTold) {
    beginKill(slot, { kind: 'stop' }, false, now, out);
  }
}

function askToStop(slot: Slot, now: Now, out: SlotCommand[]): void {
  slot.stopAsked = true;
  slot.quietSince = now.mono;
  enter(slot, 'stopping', now);
  out.push({ type: 'send-stop' });
}

/**
 * Asked as soon as its last mini-batch has begun, so that it has heard of it when that one ends. It was never sent more
 * than it may run (`onAssign`), so the number is exact however fast it is.
 */
function recycleByAge(slot: Slot, limits: SlotLimits, now: Now, out: SlotCommand[]): void {
  if (slot.begun >= (limits.miniBatchesMax ?? Infinity)) recycle(slot, 'mini-batches', slot.begun, now, out);
}

/** It ends as at the end of the run; the next worker takes the slot once it is gone. */
function recycle(slot: Slot, why: 'mini-batches' | 'growth', amount: number, now: Now, out: SlotCommand[]): void {
  if (slot.phase !== 'ready') return;
  out.push({
    type: 'emit',
    event: { type: 'warning', at: now.wall, warning: { kind: 'worker-recycled', worker: workerOf(slot), why, amount } },
  });
  askToStop(slot, now, out);
}

function onKill(slot: Slot, now: Now, out: SlotCommand[]): void {
  if (!hasProcess(slot)) return;
  slot.stopAsked = true;
  if (slot.kill === undefined) return beginKill(slot, { kind: 'stop' }, false, now, out);
  killNow(slot, now, out);
}

/** No time for stacks: each millisecond it takes more. Of a worker that is being killed already only the wait ends. */
function onMemory(slot: Slot, guard: GuardFacts, now: Now, out: SlotCommand[]): void {
  if (slot.kill !== undefined) return killNow(slot, now, out);
  const worker = workerOf(slot);
  out.push({
    type: 'emit',
    event: {
      type: 'warning',
      at: now.wall,
      warning: { kind: 'memory-guard', worker, pid: slot.pid, rssBytes: guard.rssBytes },
    },
  });
  beginKill(slot, { kind: 'memory', ...guard }, false, now, out);
}

function onTick(slot: Slot, now: Now, limits: SlotLimits, out: SlotCommand[]): void {
  const said = stepTick(slot, now, limits, out);
  switch (said) {
    case undefined:
      return;
    case 'shutdown-timeout':
      return emitShutDown(slot, 'SHUTDOWN_TIMEOUT', (now.mono - slot.quietSince) / 1000, now, out);
    case 'stuck':
      out.push({
        type: 'emit',
        event: {
          type: 'warning',
          at: now.wall,
          warning: { kind: 'stuck-process', worker: workerOf(slot), pid: slot.pid },
        },
      });
      return onExit(slot, { by: 'signal', signal: 'SIGKILL', outOfMemory: false }, {}, now, out);
    default:
      return unreachable(said);
  }
}

function onExit(slot: Slot, exit: Slot['exit'], remains: Remains, now: Now, out: SlotCommand[]): void {
  invariant(exit !== undefined, 'an exit has facts');
  slot.exit = exit;
  endAllTries(slot, exit, remains, now, out);
  const failure = startFailureOf(slot, exit, remains);
  if (failure) emitStartFailure(slot, failure, (now.mono - slot.spawnedAt) / 1000, now, out);
  enter(slot, 'ending', now);
  out.push({ type: 'sweep' });
}

/** Why a worker that ended before it was ready did so, unless it said so itself or was asked to end. */
function startFailureOf(slot: Slot, exit: NonNullable<Slot['exit']>, remains: Remains): StartFailure | undefined {
  if (slot.stage === 'up' || slot.startFailureTold) return undefined;
  const stacks = remains.stacks === undefined ? {} : { stacks: remains.stacks };
  const reason = slot.kill?.reason;
  switch (reason?.kind) {
    case 'load-timeout':
    case 'init-timeout':
      return { ...reason, ...stacks };
    case 'protocol-error':
      return reason;
    case 'stop':
      return undefined;
    case undefined:
    case 'run-timeout':
    case 'overhead-timeout':
    case 'shutdown-timeout':
    case 'memory':
    case 'lingering': {
      const trace = remains.trace === undefined ? {} : { trace: remains.trace };
      return slot.stopAsked ? undefined : { kind: 'exit', stage: slot.stage, exit, ...trace };
    }
    default:
      return unreachable(reason);
  }
}

function onSwept(slot: Slot, now: Now, out: SlotCommand[]): void {
  if (slot.phase !== 'ending') return;
  const worker = workerOf(slot);
  const { exit, pid, startFailed } = slot;
  invariant(exit !== undefined, 'an ended worker has exit facts');
  giveBack(slot, slot.held, now, out);
  const askedFor = slot.kill !== undefined && slot.kill.reason.kind !== 'protocol-error';
  out.push({
    type: 'emit',
    event: { type: 'worker-ended', at: now.wall, worker, pid, exit, expected: askedFor || slot.stopAsked },
  });
  Object.assign(slot, emptySlot());
  out.push({ type: 'emptied', worker, startFailed });
}

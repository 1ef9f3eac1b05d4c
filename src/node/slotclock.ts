/** Deadlines of a slot: what a tick finds overdue, and how a kill begins. */
import { unreachable } from '../domain/assert.ts';
import { CHANNEL_GRACE_MS, EXIT_GRACE_MS, STUCK_AFTER_MS, enter } from './slot.ts';
import type { Handed, KillReason, Now, Slot, SlotCommand, SlotLimits } from './slot.ts';

/** Asks for stacks first where somebody will want to know where it hung; kills at once otherwise. */
export function beginKill(slot: Slot, reason: KillReason, dump: boolean, now: Now, out: SlotCommand[]): void {
  slot.kill = {
    reason,
    blames: blamedBy(slot, reason),
    dumpedAt: dump ? now.mono : undefined,
    killedAt: dump ? undefined : now.mono,
  };
  enter(slot, 'killing', now);
  out.push({ type: dump ? 'dump-stacks' : 'kill' });
}

/** The end of the wait for stacks. */
export function killNow(slot: Slot, now: Now, out: SlotCommand[]): void {
  if (!slot.kill || slot.kill.killedAt !== undefined) return;
  slot.kill.killedAt = now.mono;
  out.push({ type: 'kill' });
}

function blamedBy(slot: Slot, reason: KillReason): Handed | undefined {
  if (reason.kind === 'run-timeout') return slot.running;
  // what it reads for the next run is what it has its memory for; a hand-out that always fails so must not come back for ever
  if (reason.kind === 'memory') return slot.running ?? slot.waiting[0];
  return reason.kind === 'overhead-timeout' ? slot.waiting[0] : undefined;
}

/** @returns what the caller has to make of it: a shutdown out of time, or a process that survives SIGKILL. */
export function stepTick(
  slot: Slot,
  now: Now,
  limits: SlotLimits,
  out: SlotCommand[],
): 'shutdown-timeout' | 'stuck' | undefined {
  switch (slot.phase) {
    case 'empty':
    case 'ending':
      return undefined;
    case 'killing':
      return tickKilling(slot, now, limits, out);
    case 'starting':
    case 'loading':
      if (now.mono - slot.spawnedAt >= limits.loadMs) {
        beginKill(slot, { kind: 'load-timeout', limitMs: limits.loadMs }, true, now, out);
      }
      break;
    case 'initializing':
      if (now.mono - slot.phaseSince >= limits.initMs) {
        beginKill(slot, { kind: 'init-timeout', limitMs: limits.initMs }, true, now, out);
      }
      break;
    case 'ready':
      tickRun(slot, now, limits, out);
      tickHandOver(slot, now, limits, out);
      break;
    case 'stopping':
      if (slot.running) tickRun(slot, now, limits, out);
      else if (tickStopping(slot, now, limits, out)) return 'shutdown-timeout';
      break;
    default:
      return unreachable(slot.phase);
  }
  tickChannel(slot, now, out);
  return undefined;
}

function tickRun(slot: Slot, now: Now, limits: SlotLimits, out: SlotCommand[]): void {
  if (!slot.running || now.mono - slot.running.begunAt < limits.runMs) return;
  beginKill(slot, { kind: 'run-timeout', limitMs: limits.runMs }, true, now, out);
}

function tickHandOver(slot: Slot, now: Now, limits: SlotLimits, out: SlotCommand[]): void {
  if (slot.kill || slot.running || slot.waiting.length === 0 || now.mono - slot.turnSince < limits.handOverMs) return;
  beginKill(slot, { kind: 'overhead-timeout', limitMs: limits.handOverMs }, true, now, out);
}

/** @returns true where `shutdown()` took too long. */
function tickStopping(slot: Slot, now: Now, limits: SlotLimits, out: SlotCommand[]): boolean {
  const quietMs = now.mono - slot.quietSince;
  if (slot.saidBye || slot.startFailureTold) {
    if (quietMs >= EXIT_GRACE_MS) beginKill(slot, { kind: 'lingering' }, false, now, out);
    return false;
  }
  if (quietMs < limits.shutdownMs) return false;
  beginKill(slot, { kind: 'shutdown-timeout' }, true, now, out);
  return true;
}

function tickChannel(slot: Slot, now: Now, out: SlotCommand[]): void {
  if (slot.kill || slot.phase === 'stopping' || slot.channelClosedAt === undefined) return;
  if (now.mono - slot.channelClosedAt < CHANNEL_GRACE_MS) return;
  beginKill(slot, { kind: 'protocol-error', detail: 'worker closed its channel and went on' }, false, now, out);
}

function tickKilling(slot: Slot, now: Now, limits: SlotLimits, out: SlotCommand[]): 'stuck' | undefined {
  const { kill } = slot;
  if (!kill) return undefined;
  if (kill.killedAt !== undefined) return now.mono - kill.killedAt >= STUCK_AFTER_MS ? 'stuck' : undefined;
  if (now.mono - (kill.dumpedAt ?? 0) < limits.dumpMs) return undefined;
  killNow(slot, now, out);
  return undefined;
}

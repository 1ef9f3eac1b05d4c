/**
 * What signals do to a run, as data: which state, what came, what follows. No clock, no process, no timers here.
 *
 * | state     | SIGINT          | SIGTERM, SIGHUP        | bound over |
 * |-----------|-----------------|------------------------|------------|
 * | going     | orderly, says   | orderly, starts bound  | -          |
 * | orderly   | at once         | starts bound; 2nd: at once | at once |
 * | at-once   | says; after `FORCE_AFTER_MS` leaves without waiting  | the same | - |
 */
import { unreachable } from '../domain/assert.ts';

/** An orderly end that SIGTERM asked for takes at most this long; then workers are killed. */
export const TERM_BOUND_MS = 25_000;
/** Someone who asks again this long after the kill gets their terminal back, whatever still hangs. */
export const FORCE_AFTER_MS = 10_000;

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
export type CancelCause = 'SIGINT' | 'SIGTERM';

export type StopState =
  | { readonly phase: 'going' }
  | { readonly phase: 'orderly'; readonly by: CancelCause; readonly bounded: boolean }
  | { readonly phase: 'at-once'; readonly by: CancelCause; readonly sinceMs: number };

export type StopInput = { readonly type: 'signal'; readonly signal: StopSignal } | { readonly type: 'bound-over' };

export type StopCommand =
  | { readonly do: 'cancel'; readonly how: 'orderly' | 'now'; readonly by: CancelCause }
  | { readonly do: 'start-bound'; readonly ms: number }
  | { readonly do: 'say'; readonly text: string }
  | { readonly do: 'leave'; readonly exitCode: 130 | 143 };

export interface StopStep {
  readonly state: StopState;
  readonly commands: readonly StopCommand[];
}

export const GOING: StopState = { phase: 'going' };
export const exitCodeOf = (by: CancelCause): 130 | 143 => (by === 'SIGINT' ? 130 : 143);

const causeOf = (signal: StopSignal): CancelCause => (signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
const ORDERLY_INT = 'Canceling: running mini-batches finish, none is started. Ctrl-C again kills them at once.';
const ORDERLY_TERM = `Canceling: running mini-batches get ${TERM_BOUND_MS / 1000} s to finish, none is started.`;
const BOUNDED = `The running mini-batches have ${TERM_BOUND_MS / 1000} s left to finish.`;
const KILLING = 'Canceling at once: workers are killed.';
const STILL = 'Workers are being killed already; waiting until none is left.';

/** One signal (or the end of the bound) at a time. @param nowMs a clock that never goes back. */
export function stopStep(state: StopState, input: StopInput, nowMs: number): StopStep {
  switch (state.phase) {
    case 'going':
      return input.type === 'signal' ? beginOrderly(input.signal) : { state, commands: [] };
    case 'orderly':
      return inOrderly(state, input, nowMs);
    case 'at-once': {
      if (input.type === 'bound-over') return { state, commands: [] };
      if (nowMs - state.sinceMs >= FORCE_AFTER_MS) {
        return { state, commands: [{ do: 'leave', exitCode: exitCodeOf(state.by) }] };
      }
      return { state, commands: [{ do: 'say', text: STILL }] };
    }
    default:
      return unreachable(state);
  }
}

function beginOrderly(signal: StopSignal): StopStep {
  const by = causeOf(signal);
  const bounded = by === 'SIGTERM';
  const cancel: StopCommand = { do: 'cancel', how: 'orderly', by };
  const say: StopCommand = { do: 'say', text: bounded ? ORDERLY_TERM : ORDERLY_INT };
  const bound: readonly StopCommand[] = bounded ? [{ do: 'start-bound', ms: TERM_BOUND_MS }] : [];
  return { state: { phase: 'orderly', by, bounded }, commands: [cancel, say, ...bound] };
}

function inOrderly(state: StopState & { phase: 'orderly' }, input: StopInput, nowMs: number): StopStep {
  if (input.type === 'signal' && causeOf(input.signal) === 'SIGTERM' && !state.bounded) {
    const commands: StopCommand[] = [
      { do: 'start-bound', ms: TERM_BOUND_MS },
      { do: 'say', text: BOUNDED },
    ];
    return { state: { ...state, bounded: true }, commands };
  }
  return {
    state: { phase: 'at-once', by: state.by, sinceMs: nowMs },
    commands: [
      { do: 'cancel', how: 'now', by: state.by },
      { do: 'say', text: KILLING },
    ],
  };
}

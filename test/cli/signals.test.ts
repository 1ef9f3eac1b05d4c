import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FORCE_AFTER_MS, GOING, stopStep, TERM_BOUND_MS } from '../../src/cli/signals.ts';
import type { StopCommand, StopInput, StopState } from '../../src/cli/signals.ts';

const signal = (name: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): StopInput => ({ type: 'signal', signal: name });
const over: StopInput = { type: 'bound-over' };

/** Commands that inputs lead to, without what is only said. */
function deeds(inputs: readonly (readonly [input: StopInput, atMs: number])[]) {
  let state: StopState = GOING;
  const commands: StopCommand[] = [];
  for (const [input, atMs] of inputs) {
    const step = stopStep(state, input, atMs);
    state = step.state;
    commands.push(...step.commands);
  }
  return { state, deeds: commands.filter((command) => command.do !== 'say'), said: commands.length };
}

describe('what signals do', () => {
  it('Ctrl-C once ends orderly, without a limit', () => {
    const { state, deeds: done } = deeds([[signal('SIGINT'), 0]]);
    expect(state).toEqual({ phase: 'orderly', by: 'SIGINT', bounded: false });
    expect(done).toEqual([{ do: 'cancel', how: 'orderly', by: 'SIGINT' }]);
  });

  it('says what a second Ctrl-C does', () => {
    const { commands } = stopStep(GOING, signal('SIGINT'), 0);
    expect(commands).toContainEqual({
      do: 'say',
      text: 'Canceling: running mini-batches finish, none is started. Ctrl-C again kills them at once.',
    });
  });

  it('Ctrl-C twice ends at once', () => {
    const { deeds: done } = deeds([
      [signal('SIGINT'), 0],
      [signal('SIGINT'), 5],
    ]);
    expect(done).toEqual([
      { do: 'cancel', how: 'orderly', by: 'SIGINT' },
      { do: 'cancel', how: 'now', by: 'SIGINT' },
    ]);
  });

  it.each(['SIGTERM', 'SIGHUP'] as const)('%s ends orderly with a bound, then at once', (name) => {
    const { state, deeds: done } = deeds([
      [signal(name), 0],
      [over, TERM_BOUND_MS],
    ]);
    expect(done).toEqual([
      { do: 'cancel', how: 'orderly', by: 'SIGTERM' },
      { do: 'start-bound', ms: TERM_BOUND_MS },
      { do: 'cancel', how: 'now', by: 'SIGTERM' },
    ]);
    expect(state).toEqual({ phase: 'at-once', by: 'SIGTERM', sinceMs: TERM_BOUND_MS });
  });

  it('SIGTERM after Ctrl-C sets the bound and keeps the cause', () => {
    const { state, deeds: done } = deeds([
      [signal('SIGINT'), 0],
      [signal('SIGTERM'), 1],
    ]);
    expect(done.at(-1)).toEqual({ do: 'start-bound', ms: TERM_BOUND_MS });
    expect(state).toEqual({ phase: 'orderly', by: 'SIGINT', bounded: true });
  });

  it('a late bound does nothing once workers are killed', () => {
    const { deeds: done } = deeds([
      [signal('SIGTERM'), 0],
      [signal('SIGTERM'), 1],
      [over, TERM_BOUND_MS],
    ]);
    expect(done.filter((command) => command.do === 'cancel')).toHaveLength(2);
  });

  it('leaves when somebody insists long after the kill, not before', () => {
    const twice = [
      [signal('SIGINT'), 0],
      [signal('SIGINT'), 100],
    ] as const;
    expect(deeds([...twice, [signal('SIGINT'), 100 + FORCE_AFTER_MS - 1]]).deeds).toHaveLength(2);
    expect(deeds([...twice, [signal('SIGINT'), 100 + FORCE_AFTER_MS]]).deeds.at(-1)).toEqual({
      do: 'leave',
      exitCode: 130,
    });
  });

  it('cancels orderly once and at once at most once, whatever comes', () => {
    const inputs = fc.array(fc.constantFrom(signal('SIGINT'), signal('SIGTERM'), signal('SIGHUP'), over));
    fc.assert(
      fc.property(inputs, (list) => {
        const { deeds: done } = deeds(list.map((input, place) => [input, place] as const));
        const cancels = done.filter((command) => command.do === 'cancel').map((command) => command.how);
        expect(['', 'orderly', 'orderly,now']).toContain(cancels.join(','));
        expect(done.filter((command) => command.do === 'start-bound').length).toBeLessThanOrEqual(1);
      }),
    );
  });
});

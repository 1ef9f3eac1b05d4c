/** Random histories: whatever happens, each mini-batch comes to exactly one end and the sums hold after every step. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { World, raised } from './model.ts';
import type { Sent } from './model.ts';

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('ok' as const), pick: fc.nat(50), returned: fc.nat(12) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('raise' as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('late' as const), pick: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('node-lost' as const), pick: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(3000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('create' as const), count: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('worker' as const) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

const sizeOf = ({ part }: Sent): number => (part ? part.to - part.from : 10);

function act(world: World, a: Action): void {
  switch (a.do) {
    case 'wait':
      world.now += a.ms;
      world.send({ type: 'tick' });
      return;
    case 'create':
      if (!world.state.creationFinished) world.create(a.count);
      return;
    case 'worker':
      world.ready();
      return;
    case 'late': {
      const old = world.dispatched[a.pick % Math.max(1, world.dispatched.length)];
      if (!old || world.out.includes(old)) return;
      const commands = world.ok(old);
      expect(commands[0]).toEqual({ type: 'late' });
      expect(commands.filter((c) => c.type === 'settle')).toEqual([]);
      return;
    }
    default: {
      const sent = world.out[a.pick % Math.max(1, world.out.length)];
      if (!sent) return;
      if (a.do === 'kill') world.kill(sent.worker);
      else if (a.do === 'ok') world.ok(world.take(sent.index), sent.part && a.pick % 9 ? sizeOf(sent) : a.returned);
      else world.fail(world.take(sent.index), a.do === 'raise' ? raised : { kind: 'node-lost', node: 'n' });
    }
  }
}

test('every mini-batch ends done, partial or failed exactly once, tries stay within the limit, dispatch numbers grow', () => {
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 120, size: 'max' }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('auto' as const, 'on' as const, 'off' as const),
      fc.boolean(),
      (actions, maxTries, isolate, inFlight) => {
        const world = new World({ maxTries, isolate, inFlight });
        world.node(4);
        world.ready();
        world.create(15);
        for (const a of actions) if (world.state.phase === 'running') act(world, a);
        if (world.state.phase !== 'running') return;
        // Heal: all answers are good from now on, and the run must come to its end.
        world.send({ type: 'creation-finished' });
        world.ready();
        for (let round = 0; round < 5000 && world.state.done + world.state.failed < world.state.created; round++) {
          const sent = world.out[0];
          if (sent) world.ok(world.take(sent.index), sizeOf(sent));
          else {
            world.now += 1000;
            world.send({ type: 'tick' });
          }
        }
        world.send({ type: 'stopped' });
        expect(world.verdict()?.state).toBe('Completed');
        const settled = world.settles().filter((s) => s === 'done' || s === 'failed' || s === 'partial');
        expect(settled).toHaveLength(world.state.created);
        const last = new Map<number, number>();
        for (const sent of world.dispatched) {
          expect(sent.dispatch).toBe((last.get(sent.index) ?? 0) + 1);
          last.set(sent.index, sent.dispatch);
          expect(sent.try).toBeLessThanOrEqual(maxTries);
        }
        expect(settled.filter((s) => s !== 'done').length).toBe(world.state.failed);
      },
    ),
    { numRuns: 500 },
  );
});

test('segfaults alone poison', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), (maxTries) => {
      const world = new World({ maxTries });
      world.node(1);
      world.ready();
      world.create(1);
      for (let i = 0; i < maxTries; i++) {
        world.now += 60_000;
        world.send({ type: 'tick' });
        const before = world.commands.length;
        world.kill(world.out[0]?.worker ?? expect.fail('nothing is handed out'));
        world.ready();
        expect(world.commands[before]).toMatchObject({
          settles: i === maxTries - 1 ? { as: 'failed', poisoned: true } : { as: 'retry' },
        });
      }
    }),
  );
});

/** Several mini-batches under way in one process: whose fault its death is. */
import { describe, expect, test } from 'vitest';
import { Recovery } from '../../src/core/recover.ts';
import type { RunEvent } from '../../src/domain/event.ts';
import type { WorkerId } from '../../src/domain/ids.ts';
import { defaults, raised, segfault, World } from './model.ts';

function flying(miniBatches: number, workers = 1, maxTries = 2): World {
  const world = new World({ inFlight: true, maxTries });
  world.node(workers);
  for (let i = 0; i < workers; i++) world.ready();
  world.create(miniBatches);
  return world;
}
const held = (world: World, worker?: WorkerId): number[] =>
  world.out.filter((sent) => worker === undefined || sent.worker === worker).map((sent) => sent.index);
const last = (world: World): WorkerId => world.state.ready.at(-1)?.id ?? ('' as WorkerId);

/** Kills whichever process has the mini-batch, until nothing is left; the others are good. @returns their ends */
function withCulprit(world: World, culprit: number): void {
  for (let i = 0; world.state.done + world.state.failed < world.state.created; i++) {
    if (i > 200) throw new Error('it does not come to an end');
    world.now += 60_000;
    world.send({ type: 'tick' });
    const at = world.out.find((sent) => sent.index === culprit);
    if (at) {
      world.kill(at.worker);
      world.ready();
    } else if (world.out.length > 0) world.ok(world.take());
  }
}

describe('a death with several under way', () => {
  test('uses up no try; each is run again by itself, and the rest together', () => {
    const world = flying(40);
    expect(held(world)).toHaveLength(16);
    world.kill(last(world));
    expect(world.settles()).toEqual(['requeue']);
    expect(held(world)).toEqual([]);
    world.ready();
    const alone = Array.from({ length: 16 }, () => {
      expect(world.out).toMatchObject([{ try: 1 }]);
      const sent = world.take();
      world.ok(sent);
      return sent.index;
    });
    expect(alone.sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, i) => i));
    expect(held(world)).toHaveLength(16);
    expect(world.state.done).toBe(16);
  });

  test('the next one names its culprit, and only that one uses up its tries', () => {
    const world = flying(40);
    withCulprit(world, 3);
    expect(world.settles().filter((as) => as !== 'done')).toEqual(['requeue', 'retry', 'failed']);
    expect([world.state.done, world.state.failed]).toEqual([39, 1]);
    const tries = world.dispatched.filter((sent) => sent.index === 3).map((sent) => sent.try);
    expect(tries).toEqual([1, 1, 2]);
    const others = world.dispatched.filter((sent) => sent.index !== 3);
    expect(others.every((sent) => sent.try === 1)).toBe(true);
  });

  test('of a single one is its own', () => {
    const world = flying(1);
    world.kill(last(world));
    expect(world.settles()).toEqual(['retry']);
  });

  test('a worker that has others is emptied for one that is run alone, and filled again behind it', () => {
    const world = flying(40, 2);
    const [first, second] = world.state.ready.map(({ id }) => id) as [WorkerId, WorkerId];
    const before = held(world, second);
    world.kill(first);
    // nothing new for the one that goes on, while those that have to be alone wait
    for (const index of before.slice(0, -1)) {
      world.ok(world.take(index));
      expect(held(world, second).length).toBeLessThan(before.length);
    }
    world.ok(world.take(before.at(-1)));
    expect(held(world, second)).toHaveLength(1);
    world.ready();
    withCulprit(world, -1);
    expect(world.state.done).toBe(40);
  });

  test('an exception is that of its mini-batch, whatever is beside it', () => {
    const world = flying(40);
    world.fail(world.take(5), raised);
    expect(world.settles()).toEqual(['retry']);
    expect(world.out).toHaveLength(16);
  });

  test('parts of one that is narrowed down are run alone', () => {
    const world = new World({ inFlight: true, maxTries: 1, isolate: 'on' });
    world.node(1);
    world.ready();
    world.create(20);
    world.fail(world.take(0), raised);
    const seen = new Set<number>();
    for (let i = 0; i < 200 && world.state.done + world.state.failed < 20; i++) {
      world.send({ type: 'tick' });
      const sent = world.take();
      const beside = world.out.filter(({ worker }) => worker === sent.worker);
      if (sent.part) {
        seen.add(sent.part.to - sent.part.from);
        expect(beside).toEqual([]);
        if (sent.part.from === 0) world.fail(sent, raised);
        else world.ok(sent, sent.part.to - sent.part.from);
      } else world.ok(sent);
    }
    expect([world.state.done, world.state.failed, seen.has(1)]).toEqual([19, 1, true]);
  });

  test('elsewhere than in such scripts nothing changes: the one that had begun is to blame', () => {
    const world = new World({ maxTries: 2 });
    world.node(1);
    world.ready();
    world.create(40);
    world.ok(world.take());
    const more = world.out.length;
    expect(more).toBeGreaterThan(1);
    world.kill(last(world));
    expect(world.settles()).toEqual(['done', 'retry']);
  });
});

test('after a resume it is run alone still', () => {
  const recovery = new Recovery();
  const lost = { type: 'try-finished', index: 0, dispatch: 1, items: 10, settles: 'requeue', failure: segfault };
  for (const event of [
    { type: 'creation-finished', at: 0, miniBatches: 5, items: 50 },
    { type: 'dispatch-reserved', at: 0, below: 5 },
    lost,
  ])
    recovery.apply(event as unknown as RunEvent);
  const run = { created: 5, items: 50, creationFinished: true, retryFailed: false };
  const world = new World({}, recovery.toState({ ...defaults, inFlight: true }, run, 0));
  world.node(1);
  world.ready();
  expect(held(world)).toEqual([0]);
  world.ok(world.take());
  expect(held(world)).toEqual([1, 2, 3, 4]);
});

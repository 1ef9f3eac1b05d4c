/** What failures count for, exactly; and mini-batches that are narrowed down beside each other. */
import { describe, expect, test } from 'vitest';
import type { CoreCommand, CoreConfig, Settles } from '../../src/core/types.ts';
import type { TryFailure } from '../../src/domain/failure.ts';
import { World, raised, segfault } from './model.ts';
import type { Sent } from './model.ts';

const outOfMemory: TryFailure = {
  kind: 'worker-lost',
  exit: { by: 'signal', signal: 'SIGKILL', outOfMemory: true },
};
const settled = (commands: readonly CoreCommand[]): Settles | undefined =>
  commands.find((c) => c.type === 'settle')?.settles;

function running(workers: number, config: Partial<CoreConfig> = {}): World {
  const world = new World(config);
  world.node(workers);
  for (let i = 0; i < workers; i++) world.ready();
  return world;
}

/** Fails the only mini-batch again and again, with workers that stay ready. */
function retries(failures: readonly TryFailure[], config: Partial<CoreConfig> = {}): (Settles | undefined)[] {
  const world = running(1, config);
  world.create(1);
  return failures.map((failure) => {
    world.now += 60_000;
    world.send({ type: 'tick' });
    const sent = world.take();
    const settles = settled(world.fail(sent, failure));
    if (failure.kind === 'worker-lost') {
      world.send({ type: 'worker-ended', worker: sent.worker });
      world.ready();
    }
    return settles;
  });
}

describe('the pause before the next try', () => {
  test('grows by four with each try, those for memory too, up to half a minute', () => {
    const pauses = retries([raised, outOfMemory, raised, raised, raised, raised, raised], { maxTries: 7 });
    expect(pauses.map((s) => s?.as === 'retry' && s.retryAfterMs)).toEqual([
      ...[100, 400, 1_600, 6_400, 25_600, 30_000, 30_000],
    ]);
  });
});

describe('input that is gone', () => {
  const input = (errno?: string): TryFailure => ({
    kind: 'input-error',
    path: '/x',
    reason: 'r',
    ...(errno !== undefined && { errno }),
  });

  test.each(['ENOENT', 'EACCES'])('%s is tried twice', (errno) => {
    expect(retries([input(errno), input(errno)], { maxTries: 5 }).map((s) => s?.as)).toEqual(['retry', 'failed']);
  });

  test('any other trouble with it has all its tries', () => {
    const three = retries([input('EIO'), input(), input('EIO')], { maxTries: 4 });
    expect(three.map((s) => s?.as)).toEqual(['retry', 'retry', 'retry']);
  });
});

describe('memory', () => {
  test('is what the kernel’s own counter proves: any other end by a signal uses up a try', () => {
    const killed: TryFailure = { kind: 'worker-lost', exit: { by: 'signal', signal: 'SIGKILL', outOfMemory: false } };
    const exited: TryFailure = { kind: 'worker-lost', exit: { by: 'code', code: 137 } };
    expect(retries([killed], { maxTries: 1 }).map((s) => s?.as)).toEqual(['failed']);
    expect(retries([exited], { maxTries: 1 }).map((s) => s?.as)).toEqual(['failed']);
    expect(retries([outOfMemory, outOfMemory, outOfMemory], { maxTries: 1 }).map((s) => s?.as)).toEqual([
      'retry',
      'retry',
      'failed',
    ]);
  });
});

describe('mini-batches narrowed down', () => {
  const fails = (world: World, sent: Sent, failure = raised): Settles | undefined =>
    settled(world.fail(sent, failure, 10));

  test('beside each other: when one shows that items are mixed, the other fails whole, good part or not', () => {
    for (const good of [true, false]) {
      const world = running(2, { isolate: 'auto', maxTries: 1 });
      world.create(2);
      fails(world, world.take(0), segfault);
      fails(world, world.take(1), segfault);
      world.ready();
      world.ready();
      const mixed = world.ok(world.take(0), 3, 10);
      expect(mixed.map(({ type }) => type)).toEqual(['warn', 'settle']);
      const other = world.take(1);
      expect(other.part).toEqual({ from: 0, to: 5 });
      const commands = good ? world.ok(other, 5, 10) : world.fail(other, raised, 10);
      expect(settled(commands)).toEqual({ as: 'failed', poisoned: false });
    }
  });

  test('of which no item is good: failed, not poisoned, though each part took its worker down', () => {
    for (const [items, dead] of [
      [20, undefined],
      [
        2,
        [
          { from: 0, to: 1, dispatch: 2 },
          { from: 1, to: 2, dispatch: 3 },
        ],
      ],
    ] as const) {
      const world = running(1, { isolate: 'auto', maxTries: 1 });
      world.create(1, items);
      let end: Settles | undefined;
      while (world.state.failed === 0) {
        const sent = world.take();
        end = settled(world.fail(sent, segfault, items));
        world.send({ type: 'worker-ended', worker: sent.worker });
        world.ready();
      }
      expect(end).toEqual({ as: 'failed', poisoned: false, ...(dead && { dead }) });
    }
  });

  test('go on before anything else that waits', () => {
    const world = running(1, { isolate: 'auto', maxTries: 2 });
    world.create(2);
    world.fail(world.take(0));
    world.now = 100;
    world.fail(world.take(1));
    world.now = 10_000;
    world.send({ type: 'tick' });
    expect(fails(world, world.take(0))).toEqual({ as: 'narrow' });
    expect(world.out).toMatchObject([{ index: 0, part: { from: 0, to: 5 } }]);
    world.fail(world.take(0));
    expect(world.out).toMatchObject([{ index: 0, part: { from: 5, to: 10 } }]);
  });

  test('may lose exactly as many items as the run may', () => {
    const limit = (errorThreshold: number) => {
      const thresholds = { errorThreshold, miniBatchErrorThreshold: -1, failedPercent: 100 };
      const world = running(1, { isolate: 'auto', maxTries: 1, thresholds });
      world.create(1, 4);
      let end: Settles | undefined;
      while (world.state.failed === 0) {
        const sent = world.take();
        const { from, to } = sent.part ?? { from: 0, to: 4 };
        // items 0 and 3 are bad
        end = settled(from === 0 || to === 4 ? world.fail(sent, raised, 4) : world.ok(sent, to - from, 4));
      }
      return [end?.as === 'partial' && end.failed, world.aborts()];
    };
    expect(limit(2)).toEqual([2, []]);
    expect(limit(1)).toEqual([2, ['error-threshold']]);
  });

  test('a run whose shortfall has used up its threshold gives the rest up with the first culprit', () => {
    const thresholds = { errorThreshold: 3, miniBatchErrorThreshold: -1, failedPercent: 100 };
    const world = running(1, { isolate: 'auto', maxTries: 1, thresholds });
    world.create(2, 10);
    world.ok(world.take(0), 7, 10);
    let end: Settles | undefined;
    while (world.state.failed === 0) {
      const sent = world.take(1);
      const { from, to } = sent.part ?? { from: 0, to: 10 };
      end = settled(from <= 9 && to > 8 ? world.fail(sent, raised, 10) : world.ok(sent, to - from, 10));
    }
    expect(end).toMatchObject({ as: 'partial', succeeded: 8, failed: 2 });
    expect(world.aborts()).toEqual(['error-threshold']);
  });
});

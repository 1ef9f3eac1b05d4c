/** The memory guard: who is killed, when, and what is said about it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { nodeAddress, workerId } from '../../src/domain/ids.ts';
import { BRISK_LOOK_MS, LOOK_MS, SETTLE_MS, judge, reserveBytes } from '../../src/node/memoryguard.ts';
import type { MemoryLook, WorkerMemory } from '../../src/node/memoryguard.ts';
import { limitedGroups, machineMemory, memoryPlaces, readNodeMemory } from '../../src/node/nodememory.ts';
import { preferAsVictim } from '../../src/node/oom.ts';
import { heldBytes } from '../../src/node/treememory.ts';
import { withRig } from './with-rig.ts';

const MB = 1024 ** 2;
const GB = 1024 ** 3;
const id = (n: number) => workerId(nodeAddress('10.1.2.3'), n);

describe('the decision', () => {
  const worker = (n: number, mb: number, more: Partial<WorkerMemory> = {}): WorkerMemory => ({
    worker: id(n),
    startedAt: n,
    inTry: true,
    dying: false,
    heldBytes: mb * MB,
    ...more,
  });
  const look = (availableMB: number, ...workers: WorkerMemory[]): MemoryLook => ({
    at: 10_000,
    workers,
    node: { totalBytes: 16 * GB, availableBytes: availableMB * MB },
  });
  const killed = (now: MemoryLook, limitMB?: number, before?: MemoryLook, lastKillAt = -Infinity) =>
    judge(now, before, limitMB === undefined ? undefined : limitMB * MB, lastKillAt).kills.map((kill) => [
      kill.worker,
      kill.rule,
      kill.rssBytes / MB,
      kill.limitBytes / MB,
    ]);

  test('the reserve: 2 %, at least 256 MiB, of small containers no more than 5 %', () => {
    expect([64 * GB, 16 * GB, 8 * GB, 1 * GB].map((total) => Math.round(reserveBytes(total) / MB))).toEqual([
      1311, 328, 256, 51,
    ]);
  });

  test('with room for all nobody is killed, and looks are rare', () => {
    const now = look(8000, worker(1, 5000), worker(2, 3000));
    expect(judge(now, now, undefined, -Infinity)).toEqual({ kills: [], short: false, nextLookMs: LOOK_MS });
    expect(killed(now, 5000)).toEqual([]);
  });

  test('over the limit: each of them, in whatever phase, but none that is being killed already', () => {
    const now = look(8000, worker(1, 300, { inTry: false }), worker(2, 151), worker(3, 400, { dying: true }));
    expect(killed(now, 150)).toEqual([
      [id(1), 'limit', 300, 150],
      [id(2), 'limit', 151, 150],
    ]);
  });

  test('a node that is nearly out: the newest of the large ones', () => {
    expect(killed(look(300, worker(1, 1000), worker(2, 900), worker(3, 499), worker(4, 2)))).toEqual([
      [id(2), 'node', 900, 300],
    ]);
    expect(killed(look(300, worker(1, 20_000), worker(2, 900), worker(3, 901)))).toEqual([
      [id(1), 'node', 20_000, 300],
    ]);
  });

  test('one that starts or idles only where nobody has a mini-batch', () => {
    const idle = { inTry: false };
    expect(killed(look(300, worker(1, 50), worker(2, 900, idle)))).toEqual([[id(1), 'node', 50, 300]]);
    expect(killed(look(300, worker(1, 800, idle), worker(2, 900, idle)))).toEqual([[id(2), 'node', 900, 300]]);
    expect(killed(look(300))).toEqual([]);
  });

  test('one at a time: not while a killed one is there, nor just after', () => {
    const large = worker(1, 1000);
    expect(killed(look(100, large, worker(2, 900, { dying: true })))).toEqual([]);
    expect(killed(look(100, large), undefined, undefined, 10_001 - SETTLE_MS)).toEqual([]);
    expect(killed(look(100, large), undefined, undefined, 10_000 - SETTLE_MS)).toHaveLength(1);
  });

  test('over the limit and a node that is nearly out: the limit first, it may be enough', () => {
    expect(killed(look(100, worker(1, 200), worker(2, 100)), 150)).toEqual([[id(1), 'limit', 200, 150]]);
  });

  test('memory that runs out before the next look has run out', () => {
    const before = { ...look(2000, worker(1, 1000)), at: 9_900 };
    expect(killed(look(1000, worker(1, 2000)), undefined, before)).toEqual([]);
    expect(killed(look(600, worker(1, 2400)), undefined, before)).toHaveLength(1);
    expect(judge(look(1000, worker(1, 2000)), before, undefined, -Infinity).nextLookMs).toBe(BRISK_LOOK_MS);
  });

  test('a machine that says nothing of itself: only the limit counts', () => {
    expect(killed({ ...look(0, worker(1, 200)), node: undefined })).toEqual([]);
    expect(killed({ ...look(0, worker(1, 200)), node: undefined }, 150)).toHaveLength(1);
  });
});

describe('what is read', () => {
  test('what a process holds: no mapped files; the resident size where the kernel does not tell', () => {
    const status =
      'Name:\tpython3\nVmHWM:\t 900 kB\nVmRSS:\t 800 kB\nRssAnon:\t 500 kB\nRssFile:\t 200 kB\nRssShmem:\t 100 kB\n';
    expect(heldBytes(status)).toBe(600 * 1024);
    expect(heldBytes('VmRSS:\t 800 kB\n')).toBe(800 * 1024);
    expect(heldBytes('Name:\tx\nState:\tZ (zombie)\n')).toBeUndefined();
  });

  test('free swap is memory that is left', () => {
    const text = 'MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 100 kB\nSwapTotal: 500 kB\nSwapFree: 50 kB\n';
    expect(machineMemory(text)).toEqual({ totalBytes: 1000 * 1024, availableBytes: 150 * 1024 });
    expect(machineMemory('MemTotal: 1000 kB\n')).toBeUndefined();
  });

  test('the scarcest of the machine and the containers around', () => {
    const root = mkdtempSync(join(tmpdir(), 'memory-'));
    try {
      const put = (folder: string, files: Record<string, string>): void => {
        mkdirSync(join(root, folder), { recursive: true });
        for (const [name, text] of Object.entries(files)) writeFileSync(join(root, folder, name), text);
      };
      put('', { meminfo: 'MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n', self: '0::/pod/box\n' });
      put('pod', { 'memory.max': `${4 * GB}\n`, 'memory.current': `${3 * GB}\n`, 'memory.stat': 'inactive_file 0\n' });
      put('pod/box', { 'memory.max': 'max\n', 'memory.current': `${1 * GB}\n` });
      const files = { meminfo: join(root, 'meminfo'), ownCgroups: join(root, 'self'), cgroupRoot: root };
      const groups = limitedGroups(files);
      expect(groups).toEqual([{ folder: join(root, 'pod'), version: 2, limitBytes: 4 * GB }]);
      expect(readNodeMemory(files.meminfo, groups)).toEqual({ totalBytes: 4 * GB, availableBytes: GB });
      // cached files go before anybody is killed
      put('pod', { 'memory.stat': `inactive_file ${GB}\nactive_file ${GB}\nslab_reclaimable 0\n` });
      expect(readNodeMemory(files.meminfo, groups)).toEqual({ totalBytes: 4 * GB, availableBytes: 3 * GB });
      put('', { meminfo: 'MemTotal: 16777216 kB\nMemAvailable: 1048576 kB\n' });
      expect(readNodeMemory(files.meminfo, groups)).toEqual({ totalBytes: 16 * GB, availableBytes: GB });
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  test('version 1: a group without limit has a number near 2^63', () => {
    const root = mkdtempSync(join(tmpdir(), 'memory-'));
    try {
      mkdirSync(join(root, 'memory/box'), { recursive: true });
      writeFileSync(join(root, 'memory/memory.limit_in_bytes'), '9223372036854771712\n');
      writeFileSync(join(root, 'memory/box/memory.limit_in_bytes'), `${GB}\n`);
      writeFileSync(join(root, 'memory/box/memory.usage_in_bytes'), `${GB / 2}\n`);
      writeFileSync(join(root, 'memory/box/memory.stat'), `inactive_file 1\ntotal_inactive_file ${GB / 4}\n`);
      writeFileSync(join(root, 'self'), '4:memory:/box\n2:cpu:/box\n');
      const files = { meminfo: '/proc/meminfo', ownCgroups: join(root, 'self'), cgroupRoot: root };
      const groups = limitedGroups(files);
      expect(groups).toEqual([{ folder: join(root, 'memory/box'), version: 1, limitBytes: GB }]);
      writeFileSync(join(root, 'meminfo'), 'MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n');
      expect(readNodeMemory(join(root, 'meminfo'), groups)?.availableBytes).toBe(0.75 * GB);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });

  test('own groups that account memory', () => {
    expect(memoryPlaces('9:name=systemd:/\n4:cpu,memory:/a/b\n0::/c\n', '/g').map((place) => place.folder)).toEqual([
      '/g/memory/a/b',
      '/g/c',
    ]);
    expect(memoryPlaces('0::/\n', '/g')).toEqual([{ version: 2, mount: '/g', folder: '/g' }]);
  });

  test('a process that is not there can not be made a victim', () => {
    expect(() => preferAsVictim(2 ** 22 + 1)).not.toThrow();
  });
});

describe('real processes', () => {
  const limit = (mb: number) => ({ more: { memoryLimitBytes: mb * MB } });

  test('over its limit: killed, named, with the memory it had; the next one takes the slot', async () => {
    await withRig(limit(150), async (rig) => {
      const worker = await rig.ready();
      rig.give(worker, { do: 'alloc', mb: 300, stay: true }, { do: 'rows' });
      const { result, pid } = await rig.event('try-outcome');
      expect(result).toMatchObject({
        failure: { kind: 'worker-lost', exit: { by: 'signal', signal: 'SIGKILL', outOfMemory: true } },
      });
      if (result.ok || result.failure.kind !== 'worker-lost' || result.failure.exit.by !== 'signal')
        throw new Error('?');
      const { guard } = result.failure.exit;
      expect(guard).toMatchObject({ rule: 'limit', limitBytes: 150 * MB });
      expect(guard?.rssBytes).toBeGreaterThan(150 * MB);
      expect(result.peakMemoryBytes).toBeGreaterThanOrEqual(guard?.rssBytes ?? Infinity);
      expect(rig.all('warning')).toMatchObject([
        { warning: { kind: 'memory-guard', worker, pid, rssBytes: guard?.rssBytes } },
      ]);
      expect((await rig.event('assignments-returned')).assignments).toEqual([{ index: 1, dispatch: 2 }]);
      await rig.event('worker-initialized', 2);
    });
  });

  test('what it started counts', async () => {
    await withRig(limit(200), async (rig) => {
      rig.give(await rig.ready(), { do: 'allocInChild', mb: 300 });
      expect((await rig.event('try-outcome')).result).toMatchObject({
        failure: { exit: { guard: { rule: 'limit', limitBytes: 200 * MB } } },
      });
    });
  });

  test('in init() it is a failed start', async () => {
    await withRig({ ...limit(150), orders: { init: { mb: 300 } } }, async (rig) => {
      await rig.start();
      expect((await rig.event('worker-start-failed')).failure).toMatchObject({
        kind: 'exit',
        stage: 'init',
        exit: { outOfMemory: true, guard: { rule: 'limit' } },
      });
    });
  });

  test('below its limit it is left alone, and what was seen of it stands beside a failure', async () => {
    await withRig(limit(300), async (rig) => {
      rig.give(await rig.ready(), { do: 'alloc', mb: 120 }, { do: 'fail', text: 'x', ms: 400 });
      const { result } = await rig.event('try-outcome', 2);
      expect(rig.all('warning')).toEqual([]);
      expect(result.ok ? 0 : result.peakMemoryBytes).toBeGreaterThan(120 * MB);
    });
  });

  test('pages that forked processes share count once', async () => {
    await withRig(limit(250), async (rig) => {
      rig.give(await rig.ready(), { do: 'forkAndShare', mb: 100, ms: 900, file: rig.file('forked') });
      expect((await rig.event('try-outcome')).result.ok).toBe(true);
      expect(rig.all('warning')).toEqual([]);
    });
  });

  const meminfo = (availableMB: number): string =>
    `MemTotal: ${8 * 1024 * 1024} kB\nMemAvailable: ${availableMB * 1024} kB\n`;

  test('a node that is nearly out: the newest with a share worth it, then the next once that one is gone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'memory-'));
    const file = join(folder, 'meminfo');
    writeFileSync(file, meminfo(4000));
    const memoryFiles = { meminfo: file, ownCgroups: '/none', cgroupRoot: '/none' };
    try {
      await withRig({ processes: 3, more: { memoryFiles } }, async (rig) => {
        await rig.start();
        await rig.event('worker-initialized', 3);
        const allocated = rig.file('second');
        rig.give(id(1), { do: 'alloc', mb: 200, stay: true, file: rig.file('first') });
        rig.give(id(2), { do: 'alloc', mb: 200, stay: true, file: allocated });
        rig.give(id(3), { do: 'hang' });
        await rig.until(() => readable(rig.file('first')) && readable(allocated), 'the memory');
        await rig.event('try-begun', 3);
        writeFileSync(file, meminfo(100));
        const first = await rig.event('try-outcome');
        expect(first).toMatchObject({
          worker: id(2),
          result: { failure: { exit: { outOfMemory: true, guard: { rule: 'node', limitBytes: 100 * MB } } } },
        });
        const second = await rig.event('try-outcome', 2);
        expect(second.worker).toBe(id(1));
        writeFileSync(file, meminfo(4000));
        // nobody new while memory is short; then the slots are filled again
        await rig.event('worker-initialized', 5);
        expect(rig.all('warning').map(({ warning }) => warning)).toMatchObject([
          { kind: 'memory-guard', worker: id(2) },
          { kind: 'memory-guard', worker: id(1) },
        ]);
        const order = rig.events.flatMap((event) =>
          event.type === 'warning' || event.type === 'worker-ended' || event.type === 'worker-started'
            ? [event.type]
            : [],
        );
        expect(order.slice(3)).toEqual([
          'warning',
          'worker-ended',
          'warning',
          'worker-ended',
          'worker-started',
          'worker-started',
        ]);
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('the kernel is told to take workers rather than the agent', async () => {
    await withRig({}, async (rig) => {
      const { pid } = (await rig.ready(), await rig.event('worker-started'));
      const score = (of: number | 'self'): number => Number(readFileSync(`/proc/${of}/oom_score_adj`, 'utf8'));
      expect(score(pid)).toBe(Math.min(1000, score('self') + 500));
    });
  });
});

function readable(file: string): boolean {
  try {
    return readFileSync(file, 'utf8').length > 0;
  } catch {
    return false;
  }
}

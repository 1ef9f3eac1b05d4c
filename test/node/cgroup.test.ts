/** Control groups: where they may be made, and what the kernel does with them where this machine lets us ask it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CgroupHome, findCgroupPlace } from '../../src/node/cgroup.ts';
import { isAlive } from './census.ts';
import { withRig } from './with-rig.ts';

const MB = 1024 ** 2;

describe('a pretended hierarchy', () => {
  let root = '';
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'cgroup-'))));
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const put = (name: string, text: string): void => {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), text);
  };
  const files = () => ({ meminfo: '/none', ownCgroups: join(root, 'self'), cgroupRoot: root });
  const mine = process.getuid?.() ?? 0;

  test('the own group, where it was delegated to this user and accounts memory', () => {
    put('self', '0::/user/agent\n');
    put('user/agent/cgroup.subtree_control', 'cpu memory pids\n');
    const place = { version: 2, mount: root, folder: join(root, 'user/agent') };
    const user = mine === 0 ? 12_345 : mine;
    expect(findCgroupPlace({}, files(), user + 1)).toBeUndefined();
    if (mine === 0) chownSync(place.folder, user, user);
    expect(findCgroupPlace({}, files(), user)).toEqual(place);
    // root may write there too, which says nothing
    expect(findCgroupPlace({}, files(), 0)).toBeUndefined();
    expect(findCgroupPlace({ PARALLELRUN_CGROUP: place.folder }, files(), 0)).toEqual(place);
    expect(findCgroupPlace({ PARALLELRUN_CGROUP: 'off' }, files(), mine)).toBeUndefined();
    put('user/agent/cgroup.subtree_control', 'cpu\n');
    put('user/agent/cgroup.controllers', 'cpu\n');
    expect(findCgroupPlace({ PARALLELRUN_CGROUP: place.folder }, files(), 0)).toBeUndefined();
  });

  test('the group above, where the own one is a leaf; its memory is accounted from now on', () => {
    put('self', '0::/unit/leaf\n');
    put('unit/leaf/cgroup.procs', '1\n');
    put('unit/cgroup.controllers', 'cpu memory\n');
    put('unit/cgroup.subtree_control', '\n');
    const user = mine === 0 ? 12_345 : mine;
    if (mine === 0) for (const folder of ['unit', 'unit/leaf']) chownSync(join(root, folder), user, user);
    expect(findCgroupPlace({}, files(), user)?.folder).toBe(join(root, 'unit'));
    expect(readFileSync(join(root, 'unit/cgroup.subtree_control'), 'utf8')).toBe('+memory');
  });

  test('version 1 is known by its files; a folder that is none of it is no place', () => {
    put('memory/agents/memory.limit_in_bytes', '1\n');
    const folder = join(root, 'memory/agents');
    expect(findCgroupPlace({ PARALLELRUN_CGROUP: folder }, files(), 0)?.version).toBe(1);
    expect(findCgroupPlace({ PARALLELRUN_CGROUP: root }, files(), 0)).toBeUndefined();
    expect(findCgroupPlace({ PARALLELRUN_CGROUP: '/none' }, files(), 0)).toBeUndefined();
  });

  test('version 2: limit, all die together, killed at one stroke', () => {
    const home = CgroupHome.open({ version: 2, mount: root, folder: root }, 'abc');
    const group = home?.put('Process-1', 1234, 150 * MB);
    const folder = join(root, `parallelrun-${process.pid}-abc`);
    const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
    expect(read('cgroup.subtree_control')).toBe('+memory');
    expect(read('Process-1/memory.max')).toBe(String(150 * MB));
    expect(read('Process-1/memory.oom.group')).toBe('1');
    expect(read('Process-1/cgroup.procs')).toBe('1234');
    group?.kill();
    expect(read('Process-1/cgroup.kill')).toBe('1');
    expect(group?.oomKills).toBe(0);
    writeFileSync(join(folder, 'Process-1/memory.events'), 'oom 2\noom_kill 1\n');
    expect(group?.oomKills).toBe(1);
    writeFileSync(join(folder, 'Process-1/cgroup.procs'), `${process.pid}\n99999999\n`);
    expect(group?.members()).toContain(process.pid);
  });

  test('a name that is taken, a place that is gone: no group, no error', () => {
    const home = CgroupHome.open({ version: 2, mount: root, folder: root }, 'abc');
    home?.put('Process-1', 1234, undefined);
    expect(home?.put('Process-1', 1235, undefined)).toBeUndefined();
    expect(CgroupHome.open({ version: 2, mount: root, folder: join(root, 'none') }, 'abc')).toBeUndefined();
  });

  test('empty groups of agents that died are removed, those of the living stay', () => {
    const dead = spawn('true');
    return once(dead, 'exit').then(() => {
      mkdirSync(join(root, `parallelrun-${dead.pid}-x/Process-1`), { recursive: true });
      mkdirSync(join(root, `parallelrun-${process.pid}-y/Process-1`), { recursive: true });
      mkdirSync(join(root, 'somebody-else'));
      CgroupHome.open({ version: 1, mount: root, folder: root }, 'z');
      expect(readdirSync(root).sort()).toEqual(
        [`parallelrun-${process.pid}-y`, `parallelrun-${process.pid}-z`, 'somebody-else'].sort(),
      );
    });
  });
});

/** A group of our own at the top of the memory hierarchy, if this machine lets us make one; else the tests are skipped. */
function ownPlace(): string | undefined {
  const folder = `/sys/fs/cgroup/memory/parallelrun-test-${process.pid}`;
  try {
    mkdirSync(folder);
    if (existsSync(`${folder}/memory.limit_in_bytes`)) return folder;
    rmdirSync(folder);
  } catch {
    // no such hierarchy, or not ours to change
  }
  return undefined;
}

const place = ownPlace();
afterAll(() => {
  if (place !== undefined) rmdirSync(place);
});

describe.skipIf(place === undefined)('a real hierarchy of version 1', () => {
  const folder = place ?? '';
  const baseEnvironment = { ...process.env, PARALLELRUN_CGROUP: folder };

  test('the kernel keeps the limit, and says so', async () => {
    const home = CgroupHome.open({ version: 1, mount: '/sys/fs/cgroup', folder }, 'abc');
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => Buffer.alloc(300 << 20, 1), 300)']);
    const group = home?.put('Process-1', child.pid ?? 0, 100 * MB);
    expect(group?.members()).toEqual([child.pid]);
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
    expect(group?.oomKills).toBeGreaterThanOrEqual(1);
    group?.remove();
    home?.close();
    expect(folders(folder)).toEqual([]);
  });

  test('a worker over its limit is out of memory, whoever was first, guard or kernel', async () => {
    await withRig({ baseEnvironment, more: { memoryLimitBytes: 150 * MB } }, async (rig) => {
      rig.give(await rig.ready(), { do: 'alloc', mb: 400, stay: true });
      expect((await rig.event('try-outcome')).result).toMatchObject({
        failure: { kind: 'worker-lost', exit: { signal: 'SIGKILL', outOfMemory: true } },
      });
      await rig.event('worker-initialized', 2);
      await rig.stop();
      expect(folders(folder)).toEqual([]);
    });
  });

  test('what hid from parent, session and environment dies with its worker', async () => {
    await withRig({ baseEnvironment }, async (rig) => {
      const file = rig.file('hidden');
      rig.give(await rig.ready(), { do: 'hideAndDie', file });
      await rig.event('worker-ended');
      expect(isAlive(Number(readFileSync(file, 'utf8')))).toBe(false);
      await rig.stop();
      expect(folders(folder)).toEqual([]);
    });
  });
});

function folders(of: string): string[] {
  return readdirSync(of, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

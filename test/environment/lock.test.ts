import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { acquireLock } from '../../src/environment/lock.ts';
import { scratchFolder } from './scratch.ts';

const nothing = () => undefined;

it('lets one in at a time, and everybody in the end', async () => {
  const folder = scratchFolder();
  let inside = 0;
  let most = 0;
  const enter = async () => {
    const lock = await acquireLock(folder, 'key', nothing);
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
    await lock?.release();
    return lock !== undefined;
  };
  expect(await Promise.all(Array.from({ length: 6 }, enter))).toEqual(new Array(6).fill(true));
  expect(most).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});

it('locks of different keys do not meet', async () => {
  const folder = scratchFolder();
  const a = await acquireLock(folder, 'a', nothing);
  const b = await acquireLock(folder, 'b', () => expect.unreachable());
  await Promise.all([a?.release(), b?.release()]);
});

it('breaks the lock of a process that is gone', async () => {
  const folder = scratchFolder();
  const gone = spawnSync('true').pid;
  writeFileSync(join(folder, `key.lock-${Buffer.from(hostname()).toString('hex').slice(0, 80)}-${gone}-5-abc`), '');
  const lock = await acquireLock(folder, 'key', () => expect.unreachable());
  expect(readdirSync(folder)).toHaveLength(1);
  await lock?.release();
});

it.runIf(process.platform === 'linux')(
  'breaks the lock of an earlier process with an id that is in use again',
  async () => {
    const folder = scratchFolder();
    writeFileSync(
      join(folder, `key.lock-${Buffer.from(hostname()).toString('hex').slice(0, 80)}-${process.pid}-5-abc`),
      '',
    );
    const lock = await acquireLock(folder, 'key', () => expect.unreachable());
    await lock?.release();
  },
);

it('tells who holds it, and stops waiting at a signal', async () => {
  const folder = scratchFolder();
  const holder = await acquireLock(folder, 'key', nothing);
  const abort = new AbortController();
  const told: number[] = [];
  const second = await acquireLock(folder, 'key', (pid) => (told.push(pid), abort.abort()), abort.signal);
  expect(second).toBeUndefined();
  expect(told).toEqual([process.pid]);
  await holder?.release();
  expect(readdirSync(folder)).toEqual([]);
});

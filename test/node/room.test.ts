/** Want of space: in the words of errors, and on a disk that is really full. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { RunWarning } from '../../src/domain/event.ts';
import { Room, lacksSpace } from '../../src/node/room.ts';
import { SmallDisk, WHY_NO_MOUNT } from '../e2e/fulldisk.ts';

const exception = (message: string, traceback = '') =>
  ({ kind: 'exception', exceptionType: 'OSError', message, traceback, frames: [] }) as const;

test.each([
  ['[Errno 28] No space left on device', true],
  ['ENOSPC: no space left on device, write', true],
  ['[Errno 122] Disk quota exceeded', true],
  ['[Errno 2] No such file or directory', false],
  ['there is space left', false],
])('%s: %s', (message, expected) => {
  expect(lacksSpace(exception(message))).toBe(expected);
  // the error behind the one that came out
  expect(lacksSpace(exception('could not be saved', `OSError: ${message}\nthe direct cause of ...`))).toBe(expected);
});

test('what cannot be read, or is no result, has nothing to do with space', () => {
  expect(lacksSpace({ kind: 'invalid-return', returned: 'NoneType' })).toBe(false);
  expect(lacksSpace({ kind: 'input-error', path: 'ENOSPC', reason: 'ENOSPC' })).toBe(false);
});

type Warning = RunWarning['warning'];
function folders(): [string, string] {
  const top = mkdtempSync(join(tmpdir(), 'room-'));
  onTestFinished(() => rmSync(top, { recursive: true, force: true }));
  return [mkdtempSync(join(top, 'a-')), mkdtempSync(join(top, 'b-'))];
}

test('a folder with room, and one that is gone: nothing is said, nothing is left behind', () => {
  const [a, b] = folders();
  const warnings: Warning[] = [];
  const room = new Room([a, join(b, 'gone')], (warning) => warnings.push(warning));
  expect([room.has(0), room.has(1)]).toEqual([true, true]);
  expect([warnings, readdirSync(a)]).toEqual([[], []]);
});

test.skipIf(WHY_NO_MOUNT !== undefined)(
  'a full disk is told once, looked at once a second, and told when it has space',
  () => {
    const [a, b] = folders();
    const disk = new SmallDisk([b], 256);
    onTestFinished(() => disk.dispose());
    const warnings: Warning[] = [];
    const room = new Room([a, b], (warning) => warnings.push(warning));
    expect(room.has(0)).toBe(true);
    disk.fill();
    expect([room.has(10), room.has(20), room.has(2_000)]).toEqual([false, false, false]);
    disk.free();
    expect([room.has(2_500), room.has(3_100)]).toEqual([false, true]);
    expect(warnings).toEqual([true, false].map((waiting) => ({ kind: 'disk-full', path: b, waiting })));
    expect(readdirSync(b)).toEqual([]);
  },
);

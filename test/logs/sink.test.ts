import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChunkBuffer } from '../../src/logs/chunk-buffer.ts';
import { createLogSink } from '../../src/logs/sink.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'prun-sink-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});
const text = (path: string): string => readFileSync(join(folder, path), 'utf8');
/** Files of ours that this process has open (Linux). */
const openFiles = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return execFileSync('readlink', [`/proc/${process.pid}/fd/${fd}`], { encoding: 'utf8' }).startsWith(folder);
    } catch {
      return false;
    }
  }).length;

describe('createLogSink', () => {
  it('appends in order, makes folders, and takes text and bytes', async () => {
    const sink = createLogSink(folder);
    sink.append('logs/a/b.txt', 'grüße\n');
    sink.append('logs/a/b.txt', Uint8Array.of(255, 10));
    sink.append('logs/a/b.txt', 'end\n');
    await sink.flush();
    expect(readFileSync(join(folder, 'logs/a/b.txt'))).toEqual(
      Buffer.concat([Buffer.from('grüße\n'), Buffer.of(255, 10), Buffer.from('end\n')]),
    );
    await sink.close();
  });

  it('writes by itself, without a flush', async () => {
    const sink = createLogSink(folder, { flushMs: 5 });
    sink.append('a.txt', 'line\n');
    const deadline = performance.now() + 5000;
    const there = (): string => {
      try {
        return text('a.txt');
      } catch {
        return '';
      }
    };
    while (there() === '' && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
    expect(there()).toBe('line\n');
    await sink.close();
  });

  it('copies bytes: the caller may fill its buffer anew', async () => {
    const sink = createLogSink(folder);
    const bytes = Buffer.from('one\n');
    sink.append('a.txt', bytes);
    bytes.write('two\n');
    await sink.close();
    expect(text('a.txt')).toBe('one\n');
  });

  it('keeps the order of every file over many files and sizes', async () => {
    const writes = fc.array(fc.record({ file: fc.nat(99), size: fc.constantFrom(1, 50, 5000, 300_000) }), {
      maxLength: 150,
    });
    // Not drawn: a folder that comes twice would hold the lines of both.
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(writes, async (list) => {
        const run = (runs += 1);
        const sink = createLogSink(join(folder, String(run)), { flushMs: 1 });
        const expected = new Map<string, string>();
        for (const [place, { file, size }] of list.entries()) {
          const line = `${place}:${'x'.repeat(size)}\n`;
          const path = `d${file % 7}/${file}.txt`;
          expected.set(path, (expected.get(path) ?? '') + line);
          sink.append(path, line);
          if (place % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await sink.close();
        for (const [path, content] of expected) expect(text(join(String(run), path)) === content).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  it('keeps at most 64 files open', async () => {
    const sink = createLogSink(folder);
    for (let round = 0; round < 3; round++) {
      for (let n = 0; n < 100; n++) sink.append(`${n}.txt`, `${round}\n`);
      await sink.flush();
    }
    expect(openFiles()).toBeLessThanOrEqual(64);
    await sink.close();
    expect(openFiles()).toBe(0);
    for (let n = 0; n < 100; n++) expect(text(`${n}.txt`)).toBe('0\n1\n2\n');
  });

  it('closes files that nobody writes to any more, and goes on with them all the same', async () => {
    const sink = createLogSink(folder, { flushMs: 1, idleMs: 5 });
    for (let n = 0; n < 10; n++) sink.append(`${n}.txt`, 'first\n');
    await sink.flush();
    const deadline = performance.now() + 60_000;
    while (openFiles() > 0 && performance.now() < deadline) await new Promise((resolve) => setImmediate(resolve));
    expect(openFiles()).toBe(0);
    for (let n = 0; n < 10; n++) sink.append(`${n}.txt`, 'second\n');
    await sink.close();
    for (let n = 0; n < 10; n++) expect(text(`${n}.txt`)).toBe('first\nsecond\n');
  });

  it('reports a file that can not be written once, and goes on with the others', async () => {
    mkdirSync(join(folder, 'taken.txt'));
    const errors: string[] = [];
    const sink = createLogSink(folder, { onError: (path, reason) => errors.push(`${path}: ${reason.slice(0, 6)}`) });
    for (let n = 0; n < 3; n++) {
      sink.append('taken.txt', 'lost\n');
      sink.append('taken.txt/below.txt', 'here\n');
      sink.append('other.txt', 'kept\n');
      await sink.flush();
    }
    await sink.close();
    expect(errors).toEqual(['taken.txt: EISDIR']);
    expect(text('other.txt')).toBe('kept\nkept\nkept\n');
  });

  it.skipIf(process.platform !== 'linux')('survives a full disk and says afterwards how much is missing', async () => {
    symlinkSync('/dev/full', join(folder, 'log.txt'));
    const errors: string[] = [];
    const sink = createLogSink(folder, { onError: (path, reason) => errors.push(`${path} ${reason}`) });
    sink.append('log.txt', 'lost\n');
    await sink.flush();
    sink.append('log.txt', 'lost too\n');
    await sink.flush();
    expect(errors).toEqual([expect.stringMatching(/^log\.txt ENOSPC/)]);
    unlinkSync(join(folder, 'log.txt'));
    sink.append('log.txt', 'room again\n');
    await sink.close();
    expect(text('log.txt')).toBe('[parallelrun: about 14 bytes of this log could not be written]\nroom again\n');
  });

  it.skipIf(process.platform === 'win32')('is not stuck on a FIFO that nobody reads', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe.txt')]);
    const errors: string[] = [];
    const sink = createLogSink(folder, { onError: (path) => errors.push(path) });
    sink.append('pipe.txt', 'lost\n');
    await sink.close();
    expect(errors).toEqual(['pipe.txt']);
  });

  it('does not let the listener of errors do harm', async () => {
    const sink = createLogSink('/dev/null/nowhere', {
      onError: () => {
        throw new Error('listener');
      },
    });
    sink.append('a.txt', 'lost\n');
    sink.replace('b.txt', 'lost\n');
    await sink.close();
    sink.append('a.txt', 'after the end\n');
    await sink.flush();
  });

  it('replaces a file as a whole; the last of several contents stays', async () => {
    const sink = createLogSink(folder);
    for (let n = 0; n < 20; n++) sink.replace('logs/s.csv', `content ${n}\n`);
    await sink.close();
    expect(text('logs/s.csv')).toBe('content 19\n');
    expect(readdirSync(join(folder, 'logs'))).toEqual(['s.csv']);
  });
});

describe('ChunkBuffer', () => {
  it('holds what was appended, whatever its size and characters', () => {
    const chunks = fc.array(
      fc.oneof(fc.string({ unit: 'binary', maxLength: 9000 }), fc.uint8Array({ maxLength: 9000 })),
    );
    fc.assert(
      fc.property(chunks, fc.boolean(), (list, giveBack) => {
        const buffer = new ChunkBuffer();
        for (let round = 0; round < 2; round++) {
          for (const chunk of list) buffer.append(chunk);
          const expected = Buffer.concat(list.map((chunk) => Buffer.from(chunk as string)));
          expect(buffer.size).toBe(expected.length);
          const taken = buffer.take();
          expect(Buffer.concat(taken === undefined ? [] : [taken]).equals(expected)).toBe(true);
          if (giveBack && taken !== undefined) buffer.giveBack(taken);
        }
      }),
      { numRuns: 50 },
    );
  });
});

/** Run folders of other formats: one of the release before is read, and gone on with; others are refused clearly. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { crc32 as ours } from '../../src/domain/crc32.ts';
import { RUN_FORMAT } from '../../src/domain/plan.ts';
import { CLI, processesOf, runCommand } from './rig.ts';
import type { Ended } from './rig.ts';

const FIXTURE = new URL('../fixtures/run-folders/0.1.0', import.meta.url).pathname;
/** Length of the path below which the fixture was made; other files hold offsets into those that name it. */
const ROOT_BYTES = 120;
const PLACEHOLDER = '/@ROOT@'.padEnd(ROOT_BYTES, '_');
const checksum = typeof crc32 === 'function' ? crc32 : ours;

let scratch: string;
let folder: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'old-'));
  folder = join(scratch, 'x'.repeat(ROOT_BYTES - scratch.length - 1));
  unpack();
});
afterEach(() => {
  const left = processesOf(join(folder, 'runs'));
  rmSync(scratch, { recursive: true, force: true });
  expect(left).toEqual([]);
});

/** The run, as if it had been made and killed here. */
function unpack(): void {
  for (const part of ['in', 'code']) cpSync(join(FIXTURE, part), join(folder, part), { recursive: true });
  const run = join(folder, 'runs/r');
  cpSync(join(FIXTURE, 'run'), run, { recursive: true });
  for (const name of readdirSync(run, { recursive: true, encoding: 'utf8' })) {
    const path = join(run, name);
    if (!statSync(path).isFile()) continue;
    const bytes = readFileSync(path);
    writeFileSync(path, name.endsWith('ledger.journal') ? framesMoved(bytes) : moved(bytes));
  }
  mkdirSync(join(run, 'state/parts'));
}

const moved = (bytes: Buffer): Buffer =>
  Buffer.from(bytes.toString('latin1').replaceAll(PLACEHOLDER, folder), 'latin1');

/** Frames of `u32 LE length, u32 LE CRC-32, payload` behind a first line. */
function framesMoved(bytes: Buffer): Buffer {
  let at = bytes.indexOf('\n') + 1;
  const pieces = [bytes.subarray(0, at)];
  while (at < bytes.length) {
    const end = at + 8 + bytes.readUInt32LE(at);
    const payload = moved(bytes.subarray(at + 8, end));
    const head = Buffer.alloc(8);
    head.writeUInt32LE(payload.length, 0);
    head.writeUInt32LE(checksum(payload), 4);
    pieces.push(head, payload);
    at = end;
  }
  return Buffer.concat(pieces);
}

function cli(...args: string[]): Promise<Ended> {
  const env = { PARALLELRUN_ROOT: join(folder, 'runs'), NO_COLOR: '1' };
  return runCommand(process.execPath, [CLI, ...args], folder, env);
}
const planPath = (): string => join(folder, 'runs/r/state/plan.json');
const format = (): unknown =>
  (JSON.parse(readFileSync(planPath(), 'utf8')) as { formatVersion: unknown }).formatVersion;
function setFormat(version: unknown): void {
  const plan = JSON.parse(readFileSync(planPath(), 'utf8')) as object;
  writeFileSync(planPath(), JSON.stringify({ ...plan, formatVersion: version }));
}

describe('a run folder of 0.1.0', () => {
  test('is shown and verified as it is', async () => {
    const status = await cli('status', 'r', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({
      miniBatches: { created: 12, succeeded: 7, failed: 1, remaining: 4 },
      items: { succeeded: 7, failed: 1 },
      errorGroups: [{ title: 'ValueError: bad f03' }],
    });
    expect((await cli('list')).stdout).toMatch(/r .*Interrupted/);
    expect((await cli('errors', 'r')).stdout).toMatch(/PR2101\s+ValueError: bad f03/);
    const verified = await cli('verify', 'r');
    expect([verified.code, verified.stdout]).toEqual([
      0,
      expect.stringMatching(
        /12 items: 7 in rows 1 to 7 of what is committed, 1 failed in 1 mini-batch, 4 not processed/,
      ),
    ]);
    expect(format()).toBe(1);
  }, 60_000);

  test('is gone on with, and is of the present format from then on', async () => {
    writeFileSync(join(folder, 'go'), '');
    utimesSync(planPath(), 1_700_000_000, 1_700_000_000);
    const started = statSync(planPath()).mtimeMs;
    // The interpreter that is here may be another one than the release had.
    const ended = await cli('resume', 'r', '--allow-code-change');
    expect([ended.code, ended.stdout + ended.stderr]).toEqual([
      0,
      expect.stringContaining('8 mini-batches are settled'),
    ]);
    const rows = Array.from({ length: 12 }, (_, i) => `f${String(i).padStart(2, '0')} scored`);
    rows.splice(3, 1);
    expect(readFileSync(join(folder, 'runs/r/outputs/parallel_run_step.txt'), 'utf8')).toBe(`${rows.join('\n')}\n`);
    expect(readFileSync(join(folder, 'runs/r/logs/overview.txt'), 'utf8')).toMatch(
      /warning: the run was started by a version that did not record what its input files looked like/,
    );
    expect(format()).toBe(RUN_FORMAT);
    expect(statSync(planPath()).mtimeMs).toBe(started);
    const verified = await cli('verify', 'r');
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringMatching(/12 items: 11 in rows 1 to 11 of/)]);
  }, 60_000);
});

describe('other formats', () => {
  test.each([
    [
      0,
      /its format is 0; parallelrun \S+ reads 1 to 4[\s\S]*use parallelrun 0\.1\.0, which started it, or run the job again/,
    ],
    [
      5,
      /its format is 5; parallelrun \S+ reads 1 to 4[\s\S]*use parallelrun 0\.1\.0, which started it, or a newer one/,
    ],
    ['3', /its format is "3"/],
    [undefined, /its format is not given/],
  ])(
    '%s is refused, and nothing is changed',
    async (version, message) => {
      setFormat(version);
      const before = readFileSync(planPath(), 'utf8');
      for (const command of ['resume', 'verify', 'status', 'errors']) {
        const { code, stdout, stderr } = await cli(command, 'r');
        expect([code, stdout + stderr]).toEqual([
          4,
          expect.stringMatching(/PR5012\s+the run folder is of a format that this version cannot read/),
        ]);
        expect(stdout + stderr).toMatch(message);
      }
      expect((await cli('list')).stdout).toMatch(/r .*PR5012/);
      expect(readFileSync(planPath(), 'utf8')).toBe(before);
    },
    60_000,
  );
});

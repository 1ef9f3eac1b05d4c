/** The SDK where it meets folders: what is aborted early, and run folders that hold no run yet. */
import { mkdirSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listRuns, openRun, ParallelRunError, pruneRuns, replay, start } from '../../src/sdk/index.ts';
import type { JobRequest, RunEvent } from '../../src/sdk/index.ts';
import { Workspace } from './rig.ts';

let space: Workspace;
let job: JobRequest;
beforeEach(() => {
  space = new Workspace();
  const input = space.files('in', { a: '1', b: '2', c: '3' });
  const entryScript = space.write('score.mjs', 'export const run = (batch) => batch;\n');
  job = { flags: { entryScript, input, miniBatchSize: 1, processes: 1, name: 'r', root: space.root } };
});
afterEach(() => {
  space.dispose();
});

test('a signal that aborts while the run folder is filled is not lost', async () => {
  // Says that it is aborted from the second time it is looked at: once before the folder is made, once after.
  const { signal } = new AbortController();
  let looks = 0;
  const late = new Proxy(signal, {
    get: (target, key) => {
      if (key === 'aborted') return (looks += 1) > 1;
      if (key === 'throwIfAborted') return () => void (looks += 1);
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const run = await start(job, { signal: late });
  expect(await run.result()).toMatchObject({ state: 'Canceled', exitCode: 130 });
});

test('a signal that was aborted before leaves nothing', async () => {
  await expect(start(job, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
  expect(() => readdirSync(space.root)).toThrow('ENOENT');
});

/** As a run folder is while another process fills it, or where that process was killed meanwhile. */
async function unbegun(): Promise<string> {
  await (await start(job)).result();
  const folder = join(space.root, 'r');
  const state = join(folder, 'state');
  for (const name of readdirSync(state)) if (name !== 'plan.json') rmSync(join(state, name), { recursive: true });
  mkdirSync(join(state, 'code'));
  return folder;
}

test('a run folder in which no run has begun yet is shown, not taken for a defect', async () => {
  await unbegun();
  expect(await listRuns(space.root)).toMatchObject([{ runId: 'r', state: 'NotStarted', live: false }]);
  const run = await openRun(space.root, 'r');
  expect(await run.status()).toMatchObject({ runId: 'r', state: 'NotStarted' });
  const events: RunEvent[] = [];
  for await (const event of run.events({ follow: true })) events.push(event);
  expect(events).toEqual([]);
  const refusal: unknown = await replay(space.root, 'r', 0).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(ParallelRunError);
  expect(refusal).toMatchObject({ exitCode: 2, problems: [{ code: 'PR5003', why: 'it has none' }] });
  const { code, stdout } = await space.cli('status', 'r');
  expect({ code, first: stdout.split('\n')[0] }).toEqual({
    code: 0,
    first: 'Run r was interrupted: no process works on it, and it has no verdict',
  });
});

test('prune takes such a folder only when nobody can be filling it any more', async () => {
  const folder = await unbegun();
  renameSync(folder, join(space.root, 'q'));
  const moved = join(space.root, 'q');
  expect(await pruneRuns(space.root, { keep: 0, dryRun: false })).toEqual([]);
  const old = Date.now() / 1000 - 3600;
  utimesSync(moved, old, old);
  expect((await pruneRuns(space.root, { keep: 0, dryRun: false })).map((run) => run.folder)).toHaveLength(1);
});

test('prune copes with names that are not UTF-8', async () => {
  await (await start(job)).result();
  const name = Buffer.from([0x6f, 0xff, 0x2e]);
  const path = Buffer.concat([Buffer.from(join(space.root, 'r', 'outputs/')), name]);
  writeFileSync(path, 'x'.repeat(1000));
  const [shown] = await pruneRuns(space.root, { keep: 0, dryRun: true });
  const [gone] = await pruneRuns(space.root, { keep: 0, dryRun: false });
  expect(shown?.bytes).toBeGreaterThan(1000);
  expect(gone?.runId).toBe('r');
  expect(readdirSync(space.root)).toEqual([]);
});

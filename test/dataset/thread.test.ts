/** The input listed in a thread, as it was built: the same mini-batches, told and ended in the same way. */
import { existsSync, mkdirSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Stamps, createInThread, createManifest, createMiniBatches, DatasetError } from '../../src/dataset/index.ts';
import type { Manifest } from '../../src/dataset/index.ts';
import type { InputSpec } from '../../src/domain/plan.ts';
import { scratchFolder } from './scratch.ts';

const CUTTING = { by: 'files', files: 3 } as const;

const input = (root: string): InputSpec => ({ kind: 'files', name: 'in', root, select: { by: 'all' } });

/** So many files of different sizes and times in folders of a hundred, names that are no UTF-8 among them. */
function tree(root: string, count: number): void {
  for (let i = 0; i < count; i++) {
    const folder = join(root, `d${Math.floor(i / 100)}`);
    if (i % 100 === 0) mkdirSync(folder, { recursive: true });
    const path =
      i % 50 === 7 ? Buffer.concat([Buffer.from(`${folder}/é${i}`), Buffer.from([0xff])]) : join(folder, `f${i}`);
    writeFileSync(path, 'x'.repeat(i % 7));
    utimesSync(path, i, i * 1.5);
  }
}

const pathsIn = (folder: string) => ({
  manifest: join(folder, 'm'),
  index: join(folder, 'i'),
  stamps: join(folder, 's'),
});

async function stored(folder: string, fill: (manifest: Manifest) => Promise<void>) {
  const paths = pathsIn(folder);
  const manifest = await createManifest(paths);
  await fill(manifest);
  await manifest.flush();
  const miniBatches = manifest
    .readRange(0, manifest.count)
    .map(({ source, items }) => ({ items, source: Buffer.from(source).toString() }));
  await manifest.close();
  const stamps = Stamps.open(paths.stamps);
  const all = Array.from({ length: stamps?.count ?? 0 }, (_, i) => stamps?.at(i));
  stamps?.close();
  return { miniBatches, stamps: all };
}

test('the list that is stored is that of the same input listed without a thread', async () => {
  const root = scratchFolder();
  tree(root, 5000);
  symlinkSync('/nowhere', join(root, 'd3', 'dangling'));
  const options = { exclude: [join(root, 'd1')], stamps: true };
  const skipped: string[][] = [[], []];
  const [here, there] = [skipped[0] ?? [], skipped[1] ?? []];
  const plain = await stored(scratchFolder(), async (manifest) => {
    const onSkip = (path: string, reason: string) => here.push(path, reason);
    for await (const drafts of createMiniBatches([input(root)], CUTTING, { ...options, onSkip }))
      manifest.append(drafts);
  });
  let chunks = 0;
  const inThread = await stored(scratchFolder(), async (manifest) => {
    const onSkip = (path: string, reason: string) => there.push(path, reason);
    for await (const chunk of createInThread([input(root)], CUTTING, { ...options, onSkip })) {
      chunks += 1;
      // Some are stored together.
      manifest.append(chunk);
      if (chunks % 3 === 0) await manifest.flush();
    }
  });
  expect(inThread).toEqual(plain);
  expect(plain.miniBatches).toHaveLength(Math.ceil(4900 / 3));
  expect(plain.stamps).toHaveLength(4900);
  expect(there).toEqual(here);
  expect(here).toHaveLength(2);
});

test('an input that is not there is the same error', async () => {
  const missing = join(scratchFolder(), 'missing');
  const error: unknown = await createInThread([input(missing)], CUTTING, { exclude: [] })
    .next()
    .catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DatasetError);
  expect((error as DatasetError).problem).toMatchObject({ code: 'PR3002', where: { file: missing } });
});

test('an abort ends it with its reason, in the middle and before the start', async () => {
  const root = scratchFolder();
  tree(root, 300);
  const stop = new AbortController();
  const chunks = createInThread([input(root)], CUTTING, { exclude: [], signal: stop.signal });
  expect((await chunks.next()).done).toBe(false);
  stop.abort(new Error('that will do'));
  await expect(
    (async () => {
      for (;;) if ((await chunks.next()).done) return;
    })(),
  ).rejects.toThrow('that will do');
  const late = createInThread([input(root)], CUTTING, { exclude: [], signal: stop.signal });
  await expect(late.next()).rejects.toThrow('that will do');
});

test.skipIf(!existsSync('/proc/self/task'))('who stops listening early leaves no thread behind', async () => {
  const root = scratchFolder();
  tree(root, 3000);
  const threads = (): number => readdirSync('/proc/self/task').length;
  const before = threads();
  const chunks = createInThread([input(root)], CUTTING, { exclude: [] });
  await chunks.next();
  expect(threads()).toBeGreaterThan(before);
  await chunks.return();
  await expect.poll(threads).toBeLessThanOrEqual(before);
});

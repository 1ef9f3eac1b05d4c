/** A list of mini-batches that finds the disk full goes on where it was once there is space. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { MiniBatchDraft } from '../../src/dataset/draft.ts';
import { createManifest, openManifest } from '../../src/dataset/index.ts';
import { SmallDisk, WHY_NO_MOUNT } from '../e2e/fulldisk.ts';

const draft = (i: number): MiniBatchDraft => ({
  source: { kind: 'files', root: '/in', files: [`f${i}-${'x'.repeat(2000)}`] },
  items: 1,
});

test.skipIf(WHY_NO_MOUNT !== undefined).each([true, false])('durable: %s', async (durable) => {
  const folder = mkdtempSync(join(tmpdir(), 'manifest-full-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const disk = new SmallDisk([folder], 256);
  onTestFinished(() => disk.dispose());
  const paths = { manifest: join(folder, 'm'), index: join(folder, 'i'), stamps: join(folder, 's') };
  const manifest = await createManifest(paths);
  manifest.append([draft(0), draft(1)]);
  await manifest.flush(durable);
  disk.fill();
  manifest.append(Array.from({ length: 20 }, (_, i) => draft(2 + i)));
  await expect(manifest.flush(durable)).rejects.toMatchObject({ code: 'ENOSPC' });
  await expect(manifest.flush(durable)).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(() => manifest.read(2)).toThrow();
  disk.free();
  manifest.append([draft(22)]);
  await manifest.flush(durable);
  expect(manifest.count).toBe(23);
  await manifest.close();
  const reader = openManifest(paths);
  const sources = reader.readRange(0, 23).map(({ source }) => JSON.parse(new TextDecoder().decode(source)) as unknown);
  reader.close();
  expect(sources).toEqual(Array.from({ length: 23 }, (_, i) => draft(i).source));
});

/** Results taken to real servers: whole, conditional, and again where an answer got lost. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseLocation } from '../../src/remote/location.ts';
import type { Env } from '../../src/remote/location.ts';
import { openStore } from '../../src/remote/open.ts';
import { UploadFailed, upload } from '../../src/remote/upload.ts';
import { Proxy, pass } from './proxy.ts';
import { STORES } from './servers.ts';
import type { Store } from './servers.ts';

const QUICK = { tries: 3, firstMs: 5, maxMs: 20 };
const LARGE_BYTES = 70 * 1024 * 1024;

describe.each(STORES)('$name', ({ open, missing }) => {
  const it = missing === undefined ? test : test.skip;
  let store: Store;
  let proxy: Proxy;
  let env: Env;
  let folder: string;

  beforeAll(async () => {
    if (missing === undefined) store = await open();
  });
  afterAll(async () => {
    if (missing === undefined) await store.stop();
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'upload-'));
    if (missing !== undefined) return;
    proxy = await new Proxy(store.port).listen();
    env = store.env(proxy.port);
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  });
  afterEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    if (missing === undefined) await proxy.close();
  });

  function locate(path: string) {
    const location = parseLocation(store.url(path, proxy.port), env);
    if (!location.ok) throw new Error(location.error);
    return location.value;
  }
  function uploaded(path: string, kind: 'file' | 'folder', { runId = 'r1', overwrite = false } = {}) {
    const local = kind === 'file' ? join(folder, 'result.txt') : folder;
    return upload({ name: 'out', location: locate(path), local, kind, overwrite }, { env, runId, policy: QUICK });
  }

  it('a folder goes there with its folders, names of any characters', async () => {
    writeFileSync(join(folder, 'é +%#.txt'), 'odd');
    mkdirSync(join(folder, 'deep/er'), { recursive: true });
    writeFileSync(join(folder, 'deep/er/empty.txt'), '');
    expect(await uploaded('folder/', 'folder')).toEqual({ files: 2, bytes: 3 });
    expect(await store.read('folder/é +%#.txt')).toBe('odd');
    expect(await store.read('folder/deep/er/empty.txt')).toBe('');
  });

  it('what others wrote stays; what the run itself wrote, and what is to be overwritten, is written again', async () => {
    writeFileSync(join(folder, 'result.txt'), 'first');
    await uploaded('one/result.txt', 'file');
    writeFileSync(join(folder, 'result.txt'), 'second');
    await uploaded('one/result.txt', 'file');
    expect(await store.read('one/result.txt')).toBe('second');
    await expect(uploaded('one/result.txt', 'file', { runId: 'r2' })).rejects.toThrow(UploadFailed);
    await expect(uploaded('one/result.txt', 'file', { runId: 'r2' })).rejects.toThrow('PR3611');
    await uploaded('one/result.txt', 'file', { runId: 'r2', overwrite: true });
    expect(await store.read('one/result.txt')).toBe('second');
  });

  it('an answer that gets lost is no object of somebody else', async () => {
    writeFileSync(join(folder, 'result.txt'), 'rows');
    let lost = 0;
    proxy.fault = ({ method }) => (method === 'PUT' && lost++ === 0 ? { do: 'cut', after: 0 } : pass);
    await uploaded('lost/result.txt', 'file');
    expect(lost).toBeGreaterThan(0);
    expect(await store.read('lost/result.txt')).toBe('rows');
  });

  it('503 and resets are tried again, and not for ever', async () => {
    writeFileSync(join(folder, 'result.txt'), 'rows');
    let faults = 2;
    proxy.fault = ({ method }) => (method === 'PUT' && faults-- > 0 ? { do: 'answer', status: 503 } : pass);
    await uploaded('busy/result.txt', 'file');
    expect(await store.read('busy/result.txt')).toBe('rows');
    proxy.fault = ({ method }) => (method === 'PUT' ? { do: 'reset' } : pass);
    await expect(uploaded('down/result.txt', 'file')).rejects.toThrow('given up after 3 tries');
    expect(await store.read('down/result.txt')).toBeUndefined();
  });

  it('a large file goes in parts and comes back with its length; it may not lie over another one', async () => {
    writeFileSync(join(folder, 'result.txt'), 'front');
    truncateSync(join(folder, 'result.txt'), LARGE_BYTES);
    await uploaded('large/result.txt', 'file');
    expect(proxy.seen.filter(({ method }) => method === 'PUT').length).toBeGreaterThan(2);
    const location = locate('large/result.txt');
    const there = await (await openStore(location, env)).head(location.path, new AbortController().signal);
    expect(there).toMatchObject({ size: LARGE_BYTES, writtenBy: 'r1' });
    await expect(uploaded('large/result.txt', 'file', { runId: 'r2' })).rejects.toThrow('PR3611');
  });
});

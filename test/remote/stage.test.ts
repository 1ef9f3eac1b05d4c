/** Inputs brought here from real servers, through a proxy that does what networks do. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ParallelRunError } from '../../src/domain/problem.ts';
import { PART } from '../../src/remote/fetch.ts';
import { parseLocation } from '../../src/remote/location.ts';
import type { Env } from '../../src/remote/location.ts';
import { peek } from '../../src/remote/peek.ts';
import { beginStage, listRemote, stage } from '../../src/remote/stage.ts';
import type { StageOptions, StageRequest } from '../../src/remote/stage.ts';
import { Proxy, pass } from './proxy.ts';
import type { Fault } from './proxy.ts';
import { STORES } from './servers.ts';
import type { Store } from './servers.ts';

/** Names in the order of their bytes, which is not that of UTF-16; content by which none is taken for another. */
const NAMES = ['a/1.txt', 'a/10.txt', 'a/2.txt', 'a-b.txt', 'empty.txt', 'é/x y+%#.txt', '\uff5e.txt', '😀.txt'];
const QUICK = { tries: 4, firstMs: 5, maxMs: 20 };
const contentOf = (name: string): string => (name === 'empty.txt' ? '' : `${name}\n`.repeat(3000));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stage-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Files below a folder and what they hold. */
function tree(root: string): Record<string, string> {
  const names = readdirSync(root, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    names
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(root.length + 1), readFileSync(path, 'utf8')]),
  );
}
const parts = (): string[] =>
  (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.includes(PART));

describe.each(STORES)('$name', ({ open, missing }) => {
  const it = missing === undefined ? test : test.skip;
  let store: Store;
  let proxy: Proxy;
  let env: Env;

  beforeAll(async () => {
    if (missing !== undefined) return;
    store = await open();
    for (const name of NAMES) await store.put(`in/${name}`, contentOf(name));
    await store.put('other.txt', 'not below it');
  });
  afterAll(async () => {
    if (missing === undefined) await store.stop();
  });
  beforeEach(async () => {
    if (missing !== undefined) return;
    proxy = await new Proxy(store.port).listen();
    env = store.env(proxy.port);
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  });
  afterEach(async () => {
    if (missing === undefined) await proxy.close();
  });

  function request(path = 'in', more: Partial<StageRequest> = {}): StageRequest {
    const location = parseLocation(store.url(path, proxy.port), env);
    if (!location.ok) throw new Error(location.error);
    return { name: 'images', location: location.value, kind: 'folder', ...more };
  }
  const options = (more: Partial<StageOptions> = {}): StageOptions => ({
    env,
    cacheFolder: join(folder, 'data'),
    runId: 'r1',
    policy: QUICK,
    ...more,
  });
  async function refusal(work: Promise<unknown>): Promise<{ code: string; exit: number; text: string }> {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof ParallelRunError)) throw new Error(`no refusal but ${String(error)}`);
    const [problem] = error.problems;
    return { code: problem?.code ?? '', exit: error.exitCode, text: JSON.stringify(problem) };
  }

  it('a folder comes as its files, all of them and no others; a second time nothing is fetched', async () => {
    const first = await stage(request(), options());
    expect(tree(first.folder)).toEqual(Object.fromEntries(NAMES.map((name) => [name, contentOf(name)])));
    expect(first.files).toBe(NAMES.length);
    const listed = await listRemote(request(), options());
    const inOrder = [...NAMES].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(listed.objects.map(({ file }) => file)).toEqual(inOrder);
    const before = proxy.reads('in/').length;
    expect(before).toBeGreaterThan(0);
    const lines: string[] = [];
    const second = await stage(request(), options({ runId: 'r2', onProgress: (line) => lines.push(line) }));
    expect(second.folder).toBe(first.folder);
    expect(proxy.reads('in/')).toHaveLength(before);
    expect(lines.join()).toContain('all in the cache');
  });

  it('files keep the time and the inode they had, so that a resumed run finds them unchanged', async () => {
    const { folder: first } = await stage(request(), options());
    const was = statSync(join(first, 'a-b.txt'));
    expect(Math.abs(Date.now() - was.mtimeMs)).toBeLessThan(600_000);
    expect(was.mtimeMs % 1000).toBe(0);
    const { folder: second } = await stage(request('in/'), options());
    expect(statSync(join(second, 'a-b.txt')).ino).toBe(was.ino);
  });

  it('only what a pattern takes is fetched', async () => {
    const staged = await stage(request('in', { takes: (file) => file.startsWith('a/') }), options());
    expect(Object.keys(tree(staged.folder)).sort()).toEqual(['a/1.txt', 'a/10.txt', 'a/2.txt']);
    expect(proxy.reads('in/a-b')).toEqual([]);
  });

  it('a single object is a folder with that file in it', async () => {
    const staged = await stage(request('other.txt', { kind: 'file' }), options());
    expect(tree(staged.folder)).toEqual({ 'other.txt': 'not below it' });
  });

  it('of changed objects only those are fetched that have changed', async () => {
    await store.put('change/same.txt', 'same');
    await store.put('change/other.txt', 'before');
    const first = await stage(request('change'), options());
    await store.put('change/other.txt', 'afterwards');
    await store.put('change/new.txt', 'new');
    const reads = proxy.reads('change/same').length;
    const second = await stage(request('change'), options());
    expect(tree(second.folder)).toEqual({ 'new.txt': 'new', 'other.txt': 'afterwards', 'same.txt': 'same' });
    expect(second.digest).not.toBe(first.digest);
    expect(proxy.reads('change/same')).toHaveLength(reads);
    // Who read the former ones still does.
    expect(tree(first.folder)).toEqual({ 'other.txt': 'before', 'same.txt': 'same' });
  });

  it('files come in the order of a walk, as they are there; letting go ends what hangs', async () => {
    const walked = ['a/1.txt', 'a/10.txt', 'a/2.txt', 'a-b.txt', 'empty.txt', 'é/x y+%#.txt', '\uff5e.txt', '😀.txt'];
    proxy.fault = ({ method, url }) => (method === 'GET' && url.includes('a-b.txt') ? { do: 'hang' } : pass);
    const begun = await beginStage(request(), options());
    const arriving = begun.arriving();
    const first: string[] = [];
    while (first.length < 3) {
      const { value } = await arriving.next();
      for (const file of value ?? []) {
        expect(readFileSync(join(begun.folder, file), 'utf8')).toBe(contentOf(file));
        first.push(file);
      }
    }
    expect(first).toEqual(walked.slice(0, 3));
    const waiting = arriving.next();
    waiting.catch(() => undefined);
    await begun.release();
    await expect(waiting).rejects.toThrow('nobody needs it');
    expect(parts()).toEqual([]);
    proxy.fault = () => pass;
    const again = await beginStage(request(), options());
    const all: string[] = [];
    for await (const files of again.arriving()) all.push(...files);
    expect(all).toEqual(walked);
    await again.release();
    const cached = await beginStage(request(), options());
    expect((await cached.arriving().next()).value).toEqual(walked.slice(0, 1));
    await cached.release();
  });

  it('two runs at once fetch each object once', async () => {
    const [one, two] = await Promise.all([stage(request(), options()), stage(request(), options({ runId: 'r2' }))]);
    expect(one.folder).toBe(two.folder);
    const objects = NAMES.filter((name) => name !== 'empty.txt').map((name) => `/in/${name}`);
    for (const name of objects) expect([name, proxy.reads(name).length]).toEqual([name, 1]);
  });

  it('503, 429, resets and bodies that are cut off are tried again, and told; what came already is kept', async () => {
    const faults: Record<string, Fault[]> = {
      '/in/a/1.txt': [
        { do: 'answer', status: 503 },
        { do: 'answer', status: 429 },
      ],
      '/in/a/10.txt': [{ do: 'reset' }],
      '/in/a/2.txt': [{ do: 'cut', after: 5000 }],
    };
    proxy.fault = ({ method, url }) =>
      (method === 'GET'
        ? Object.entries(faults)
            .find(([name]) => url.split('?')[0]?.endsWith(name))?.[1]
            .shift()
        : undefined) ?? pass;
    const lines: string[] = [];
    const staged = await stage(request(), options({ onNote: (line) => lines.push(line) }));
    expect(tree(staged.folder)['a/2.txt']).toBe(contentOf('a/2.txt'));
    expect(tree(staged.folder)['a/1.txt']).toBe(contentOf('a/1.txt'));
    expect(lines.filter((line) => line.includes('trying again'))).toHaveLength(4);
    expect(lines.find((line) => line.includes('in/a/1.txt: 503'))).toMatch(/trying again in .* s \(try 2 of 4\)/);
    expect(proxy.reads('/in/a/2.txt').at(-1)?.range).toMatch(/^bytes=5000-/);
    expect(parts()).toEqual([]);
  });

  it('a server that never gets well is given up after all tries, resumable; what was fetched stays', async () => {
    proxy.fault = ({ url }) => (url.includes('/in/a/2.txt') ? { do: 'answer', status: 503 } : pass);
    const refused = await refusal(stage(request(), options()));
    expect(refused).toMatchObject({ code: 'PR3604', exit: 3 });
    expect(refused.text).toContain('given up after 4 tries');
    expect(proxy.reads('/in/a/2.txt')).toHaveLength(4);
    expect(parts()).toEqual([]);
    const fetched = proxy.reads('/in/a/1.txt').length;
    proxy.fault = () => pass;
    const staged = await stage(request(), options());
    expect(Object.keys(tree(staged.folder))).toHaveLength(NAMES.length);
    expect(proxy.reads('/in/a/1.txt')).toHaveLength(fetched);
  });

  it('denied, missing and unreachable are told apart, with what the server said', async () => {
    proxy.fault = ({ url }) => (url.includes('/in/a/2.txt') ? { do: 'answer', status: 403 } : pass);
    expect(await refusal(stage(request(), options()))).toMatchObject({ code: 'PR3602', exit: 2 });
    expect(proxy.reads('/in/a/2.txt')).toHaveLength(1);
    proxy.fault = () => pass;
    const missingFile = await refusal(stage(request('nowhere.txt', { kind: 'file' }), options()));
    expect(missingFile).toMatchObject({ code: 'PR3603', exit: 2 });
    const elsewhere = request('in');
    const { location } = elsewhere;
    const noContainer =
      location.store === 's3'
        ? { ...location, bucket: 'no-such-bucket' }
        : location.store === 'azure'
          ? { ...location, container: 'no-such-container' }
          : location;
    const refused = await refusal(stage({ ...elsewhere, location: noContainer }, options()));
    expect(refused).toMatchObject({ code: 'PR3603', exit: 2 });
    expect(refused.text).toMatch(/NoSuchBucket|ContainerNotFound/);
  });

  it('credentials that are wrong are no reason to try again', async () => {
    const wrong = store.env(proxy.port);
    if (store.kind === 's3') vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wrong');
    const bad = {
      ...wrong,
      ...(store.kind === 'blob' && {
        AZURE_STORAGE_CONNECTION_STRING: (wrong['AZURE_STORAGE_CONNECTION_STRING'] ?? '').replace('Eby8', 'Abcd'),
      }),
    };
    const refused = await refusal(stage(request(), options({ env: bad })));
    expect(refused).toMatchObject({ code: 'PR3602', exit: 2 });
    expect(refused.text).toMatch(/403 (?:SignatureDoesNotMatch|AuthorizationFailure|AuthenticationFailed)/);
    expect(proxy.seen).toHaveLength(1);
  });

  it('an interruption leaves no half file; the next run goes on with what is there', async () => {
    const stop = new AbortController();
    proxy.fault = ({ url }) => {
      if (!url.includes('/in/a/2.txt')) return pass;
      setTimeout(() => stop.abort(new Error('Ctrl-C')), 100);
      return { do: 'hang' };
    };
    await expect(stage(request(), options({ signal: stop.signal }))).rejects.toThrow('Ctrl-C');
    expect(parts()).toEqual([]);
    proxy.fault = () => pass;
    const fetched = proxy.reads('/in/a/1.txt').length;
    const staged = await stage(request(), options());
    expect(Object.keys(tree(staged.folder))).toHaveLength(NAMES.length);
    expect(proxy.reads('/in/a/1.txt')).toHaveLength(fetched);
  });

  it('an object that is replaced while it is fetched is refused', async () => {
    await store.put('moving/x.txt', 'a'.repeat(100_000));
    let replaced = false;
    proxy.fault = ({ method, url }) => {
      if (method !== 'GET' || !url.split('?')[0]?.endsWith('/moving/x.txt') || replaced) return pass;
      replaced = true;
      void store.put('moving/x.txt', 'b'.repeat(100_000));
      return { do: 'cut', after: 10 };
    };
    const refused = await refusal(
      stage(request('moving'), options({ policy: { tries: 4, firstMs: 300, maxMs: 300 } })),
    );
    expect(refused).toMatchObject({ code: 'PR3612', exit: 2 });
  });

  it('names that no file can have are refused with the name', async () => {
    if (store.kind === 's3') return; // That server keeps objects as files.
    await store.put('odd/a', 'a file');
    await store.put('odd/a/b', 'below it');
    const both = await refusal(stage(request('odd'), options()));
    expect(both).toMatchObject({ code: 'PR3610', exit: 2 });
    expect(both.text).toContain('a/b would need it as a folder');
    await store.put(`long/${'x'.repeat(300)}`, '');
    expect(await refusal(stage(request('long'), options()))).toMatchObject({ code: 'PR3610', exit: 2 });
  });

  describe('the limit', () => {
    const sized = (limit: string): Partial<StageOptions> => ({ env: { ...env, PARALLELRUN_CACHE_LIMIT: limit } });
    beforeEach(async () => {
      if (missing !== undefined) return;
      for (const name of ['one', 'two', 'three']) await store.put(`${name}/x.bin`, name.repeat(20_000));
    });

    it('what is larger than it is refused before anything is fetched', async () => {
      const refused = await refusal(stage(request('one'), options(sized('10kb'))));
      expect(refused).toMatchObject({ code: 'PR3608', exit: 2 });
      expect(proxy.reads('one/x.bin')).toEqual([]);
      expect(await refusal(stage(request('one'), options(sized('much'))))).toMatchObject({ code: 'PR3608' });
    });

    it('what was used least lately goes first, and never what a run uses', async () => {
      const one = await stage(request('one'), options(sized('150kb')));
      await one.release();
      const two = await stage(request('two'), options({ ...sized('150kb'), runId: 'r2' }));
      await two.release();
      await new Promise((resolve) => setTimeout(resolve, 20));
      // Used again: now the other one is the older.
      const again = await stage(request('one'), options(sized('150kb')));
      await again.release();
      await stage(request('three'), options({ ...sized('170kb'), runId: 'r3' }));
      const reads = proxy.reads('/x.bin').length;
      await stage(request('one'), options(sized('150kb')));
      expect(proxy.reads('/x.bin')).toHaveLength(reads);
      // Both are in use: there is no room for a third.
      const refused = await refusal(stage(request('two'), options({ ...sized('170kb'), runId: 'r4' })));
      expect(refused).toMatchObject({ code: 'PR3608', exit: 2 });
      expect(Object.keys(tree(one.folder))).toEqual(['x.bin']);
    });
  });

  it('what is there is told without fetching it', async () => {
    const look = async (path: string) => {
      const found = parseLocation(store.url(path, proxy.port), env);
      return found.ok ? peek(found.value, env) : undefined;
    };
    expect(await look('in')).toMatchObject({ kind: 'folder' });
    expect(await look('in/a/')).toEqual({ kind: 'folder', names: ['1.txt', '10.txt', '2.txt'] });
    expect(await look('other.txt')).toEqual({ kind: 'file' });
    expect(await look('oth')).toEqual({ kind: 'nothing' });
    expect(proxy.reads('in/a/')).toEqual([]);
  });
});

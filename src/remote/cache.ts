/**
 * What was fetched, kept for the next run. `objects/` holds each version of an object once; `trees/` holds, for each
 * listing, a folder in which they stand under their names, as hard links. Only whole files get a name, so that a process
 * may be killed at any time. Trees are locked by the runs that read them.
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { lockHolder, tryLock } from '../environment/lock.ts';
import type { Lock } from '../environment/lock.ts';
import { PART } from './fetch.ts';
import type { ListedObject } from './listing.ts';
import { hashOf } from './location.ts';

/** What stands in front of the list of a tree's files. */
interface TreeHead {
  readonly url: string;
  readonly files: number;
  readonly bytes: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;

export class DataCache {
  readonly folder: string;
  readonly locks: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.locks = path.join(folder, 'locks');
  }

  static async open(folder: string): Promise<DataCache> {
    const cache = new DataCache(folder);
    for (const name of ['locks', 'objects', 'trees'])
      await mkdir(path.join(folder, name), { recursive: true, mode: 0o700 });
    return cache;
  }

  /** Where a version of an object lies once it is whole. @param container store and container it is in */
  objectPath(container: string, { name, version, size }: Pick<ListedObject, 'name' | 'version' | 'size'>): string {
    const hash = hashOf(JSON.stringify([container, name, version, size]));
    return path.join(this.folder, 'objects', hash.slice(0, 2), hash.slice(2));
  }

  tree(key: string): Tree {
    return new Tree(this, key);
  }

  async trees(): Promise<Tree[]> {
    return (await readdir(path.join(this.folder, 'trees'))).map((key) => this.tree(key));
  }

  /** Bytes on the disk, each object once; what nobody can use any more is removed. */
  async measure(): Promise<number> {
    let bytes = 0;
    const objects = path.join(this.folder, 'objects');
    for (const group of await readdir(objects)) {
      for (const name of await readdir(path.join(objects, group)).catch(() => [])) {
        const file = path.join(objects, group, name);
        const found = await stat(file).catch(() => undefined);
        if (!found) continue;
        // Of processes that were killed between two steps.
        const isOrphan = name.includes(PART) || found.nlink === 1;
        if (isOrphan && Date.now() - found.ctimeMs > DAY_MS) await rm(file, { force: true });
        else bytes += found.size;
      }
    }
    return bytes;
  }
}

export class Tree {
  readonly key: string;
  readonly #cache: DataCache;
  readonly #folder: string;

  constructor(cache: DataCache, key: string) {
    this.#cache = cache;
    this.key = key;
    this.#folder = path.join(cache.folder, 'trees', key);
  }

  /** The folder that stands for the prefix. */
  get files(): string {
    return path.join(this.#folder, 'files');
  }
  get #index(): string {
    return path.join(this.#folder, 'index.jsonl');
  }
  get #complete(): string {
    return path.join(this.#folder, 'complete');
  }
  /** Contenders for building or removing it. */
  get buildLock(): string {
    return `${this.key}.build`;
  }

  async isComplete(): Promise<boolean> {
    return (await stat(this.#complete).catch(() => undefined)) !== undefined;
  }

  /** Used just now: the last to be removed. */
  async touch(): Promise<void> {
    const now = new Date();
    await utimes(this.#complete, now, now).catch(() => undefined);
  }

  async lastUsedMs(): Promise<number> {
    const found =
      (await stat(this.#complete).catch(() => undefined)) ?? (await stat(this.#folder).catch(() => undefined));
    return found?.mtimeMs ?? 0;
  }

  /** Nobody removes it as long as the lock is held. One a run. */
  async use(runId: string): Promise<Lock | undefined> {
    const lock = await tryLock(this.#cache.locks, `${this.key}.use-${runId}`);
    // Held already: by this run itself, whose lock is as good.
    return 'release' in lock ? lock : undefined;
  }

  async isUsed(): Promise<boolean> {
    const names = await readdir(this.#cache.locks);
    const users = names.filter((name) => name.startsWith(`${this.key}.use-`) && name.includes('.lock-'));
    for (const prefix of new Set(users.map((name) => name.slice(0, name.indexOf('.lock-')))))
      if ((await lockHolder(this.#cache.locks, prefix)) !== undefined) return true;
    return false;
  }

  /** What will be in it. Written before the first file, so that it can be removed whatever happens. */
  async begin(url: string, container: string, objects: readonly ListedObject[]): Promise<void> {
    await mkdir(this.files, { recursive: true, mode: 0o700 });
    const head: TreeHead = { url, files: objects.length, bytes: bytesOf(objects) };
    const lines = objects.map((object) =>
      JSON.stringify([
        object.file,
        path.relative(this.#cache.folder, this.#cache.objectPath(container, object)),
        object.size,
        object.version,
      ]),
    );
    await writeWhole(this.#index, `${[JSON.stringify(head), ...lines].join('\n')}\n`);
  }

  async finish(): Promise<void> {
    await writeWhole(this.#complete, '');
  }

  async head(): Promise<TreeHead | undefined> {
    const text = await readFile(this.#index, 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text.slice(0, text.indexOf('\n'))) as TreeHead);
  }

  /** File, path of its object below the cache, size, version. */
  async entries(): Promise<readonly (readonly [string, string, number, string])[]> {
    const text = await readFile(this.#index, 'utf8').catch(() => '');
    return text
      .split('\n')
      .slice(1, -1)
      .map((line) => JSON.parse(line) as [string, string, number, string]);
  }

  /** @returns false where the object isn't there (any more) */
  async add(file: string, object: string): Promise<boolean> {
    const target = path.join(this.files, file);
    for (let made = false; ; made = true) {
      try {
        await link(object, target);
        return true;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EEXIST') return true;
        if (code === 'ENOENT' && !made) {
          await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
          continue;
        }
        if (code === 'ENOENT') return false;
        // File systems without links, or with few of them.
        if (code !== 'EPERM' && code !== 'EMLINK' && code !== 'ENOTSUP' && code !== 'EXDEV') throw error;
        await copyFile(object, target, constants.COPYFILE_FICLONE);
        const { atime, mtime } = await stat(object);
        await utimes(target, atime, mtime);
        return true;
      }
    }
  }

  /** Only under its build lock, and unused. Objects that no other tree holds go with it. */
  async remove(): Promise<void> {
    const entries = await this.entries();
    await rm(this.#complete, { force: true });
    await rm(this.files, { recursive: true, force: true });
    for (const [, object] of entries) {
      const file = path.join(this.#cache.folder, object);
      const found = await stat(file).catch(() => undefined);
      if (found?.nlink === 1) await rm(file, { force: true });
    }
    await rm(this.#folder, { recursive: true, force: true });
    // Of runs that were killed.
    for (const name of await readdir(this.#cache.locks))
      if (name.startsWith(`${this.key}.use-`)) await rm(path.join(this.#cache.locks, name), { force: true });
  }
}

export const bytesOf = (objects: readonly { readonly size: number }[]): number =>
  objects.reduce((sum, { size }) => sum + Math.max(0, size), 0);

async function writeWhole(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  await writeFile(temporary, text, { mode: 0o600 });
  const handle = await open(temporary, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** What is below a prefix, as files of a folder would be. */
import { createHash } from 'node:crypto';
import type { Problem } from '../domain/problem.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { RemoteLocation } from './location.ts';
import { fileName } from './location.ts';
import { withRetries } from './retry.ts';
import type { RetryOptions } from './retry.ts';
import type { RemoteObject, RemoteStore } from './store.ts';

/** An object and the file that it becomes, relative to the folder. */
export interface ListedObject extends RemoteObject {
  readonly file: string;
}

export type ListOptions = Omit<RetryOptions, 'doing'> & {
  /** Whether a file, by its path below the folder, is wanted. */
  readonly takes?: (file: string) => boolean;
  readonly onCount?: (objects: number) => void;
};

const NAME_BYTES_MAX = 255;

/**
 * All wanted objects, sorted by the bytes of their names.
 * @throws RemoteError; ParallelRunError PR3610 where names can't be those of files
 */
export async function listObjects(
  store: RemoteStore,
  location: RemoteLocation,
  kind: 'file' | 'folder',
  options: ListOptions,
): Promise<readonly ListedObject[]> {
  const { takes, onCount, ...retry } = options;
  const doing = `listing ${location.url}`;
  if (kind === 'file') {
    const found = await withRetries(() => store.head(location.path, options.signal), { ...retry, doing });
    return found ? [{ ...found, file: fileName(location) }] : [];
  }
  const prefix = prefixOf(location);
  return withRetries(
    async () => {
      const objects: ListedObject[] = [];
      for await (const page of store.list(prefix, options.signal)) {
        for (const object of page) {
          const file = object.name.slice(prefix.length);
          // Marks of empty folders.
          if (file === '' || (file.endsWith('/') && object.size === 0)) continue;
          if (takes?.(file) === false) continue;
          objects.push({ ...object, file });
        }
        onCount?.(objects.length);
      }
      return checked(inByteOrder(objects), location);
    },
    { ...retry, doing },
  );
}

export const prefixOf = ({ path }: RemoteLocation): string => (path === '' ? '' : `${path}/`);

/** Stores agree on it, but not all emulators. */
function inByteOrder(objects: ListedObject[]): ListedObject[] {
  const isAscii = objects.every(({ file }) => /^[\x20-\x7e]*$/.test(file));
  if (isAscii) return objects.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0));
  const keyed = objects.map((object) => ({ object, key: Buffer.from(object.file) }));
  return keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ object }) => object);
}

/** As a walk finds files in a folder: part by part of their paths, each by its bytes. */
export function inWalkOrder(objects: readonly ListedObject[]): readonly ListedObject[] {
  const keyOf = (file: string): string => Buffer.from(file.replaceAll('/', '\0')).toString('latin1');
  const keyed = objects.map((object) => ({ object, key: keyOf(object.file) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ object }) => object);
}

function checked(objects: readonly ListedObject[], location: RemoteLocation): readonly ListedObject[] {
  const files = new Set(objects.map(({ file }) => file));
  const folders = new Set<string>();
  for (const { file } of objects) {
    const why = whyImpossible(file);
    if (why !== undefined) throw impossible(file, why, location);
    for (let at = file.lastIndexOf('/'); at > 0; at = file.lastIndexOf('/', at - 1)) {
      const folder = file.slice(0, at);
      if (folders.has(folder)) break;
      folders.add(folder);
      if (files.has(folder))
        throw impossible(folder, `it is an object, and ${file} would need it as a folder`, location);
    }
  }
  return objects;
}

function whyImpossible(file: string): string | undefined {
  if (file.includes('\0')) return 'it holds a zero character';
  for (const part of file.split('/')) {
    if (part === '') return 'it has an empty part between slashes';
    if (part === '.' || part === '..') return `a part of it is ${part}`;
    if (Buffer.byteLength(part) > NAME_BYTES_MAX) return `a part of it is longer than ${NAME_BYTES_MAX} bytes`;
  }
  return undefined;
}

function impossible(file: string, why: string, { url }: RemoteLocation): ParallelRunError {
  const problem: Problem = {
    code: 'PR3610',
    severity: 'error',
    what: `an object cannot become a file: ${file}`,
    where: { file: url },
    why,
    next: 'rename it, or name with a pattern what is to be read',
  };
  return new ParallelRunError([problem], 2);
}

/** The same as long as no object is added, removed or changed. */
export function digestOf(objects: readonly ListedObject[]): string {
  const hash = createHash('sha256');
  for (const { file, size, version } of objects) hash.update(`${JSON.stringify([file, size, version])}\n`);
  return hash.digest('hex');
}

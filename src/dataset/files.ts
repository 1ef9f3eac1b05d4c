import { pathOfInput } from '../domain/input.ts';
import { invariant } from '../domain/assert.ts';
import type { InputSpec } from '../domain/plan.ts';
import type { MiniBatchDraft } from './draft.ts';
import { bytesOf, joinBytes } from './bytepath.ts';
import type { CreationOptions } from './create.ts';
import { DatasetError, datasetProblem } from './error.ts';
import { Stamper, UNKNOWN } from './stamp.ts';
import type { FileStamp } from './stamp.ts';
import { walk } from './walk.ts';

/** Characters of all file names of one mini-batch together: its list travels to the worker in one message. */
const NAMES_CHARACTERS_MAX = 64 * 1024 * 1024;

/**
 * Cuts files into mini-batches of `size`. An input ends its last mini-batch, so that no mini-batch spans two roots;
 * only single files of one folder, named one after the other, are put together as if they were one input.
 */
export async function* cutFiles(
  inputs: readonly InputSpec[],
  size: number,
  options: CreationOptions,
): AsyncGenerator<MiniBatchDraft[], void, undefined> {
  const { known } = options;
  const stamper = options.stamps === true ? new Stamper() : undefined;
  invariant(Number.isSafeInteger(size) && size >= 1, `mini-batch size ${size}`);
  let group: FileGroup | undefined;
  for (const input of inputs) {
    invariant(input.kind === 'files', 'tables are not cut by files');
    const ended = group?.endBefore(input);
    if (ended) yield ended;
    if (ended || group === undefined || group.isEmpty) group = new FileGroup(input, size);
    for await (const listed of options.arriving?.get(input.root)?.() ?? walk(input, options)) {
      const files = known ? await known.unknown(input, listed) : listed;
      const drafts = group.add(files, stamper && (await stampsOf(stamper, input.root, files)));
      if (drafts.length > 0 || known) yield drafts;
    }
  }
  const last = group?.end();
  if (last) yield last;
}

/** A file that is gone already is one of which nothing is known: the script will miss it. */
async function stampsOf(stamper: Stamper, root: string, files: readonly string[]): Promise<FileStamp[]> {
  const folder = bytesOf(root);
  const found = await stamper.stamps(files.map((file) => joinBytes(folder, bytesOf(file))));
  return found.map((stamp) => (stamp === 'gone' ? UNKNOWN : stamp));
}

class FileGroup {
  readonly #input: InputSpec;
  readonly #size: number;
  #files: string[] = [];
  #stamps: FileStamp[] = [];
  #characters = 0;

  constructor(input: InputSpec, size: number) {
    this.#input = input;
    this.#size = size;
  }

  get isEmpty(): boolean {
    return this.#files.length === 0;
  }

  /** @param stamps of the files, where they are kept. @returns the mini-batches that are full now */
  add(files: readonly string[], stamps: readonly FileStamp[] | undefined): MiniBatchDraft[] {
    const drafts: MiniBatchDraft[] = [];
    for (const [i, file] of files.entries()) {
      this.#files.push(file);
      if (stamps) this.#stamps.push(stamps[i] ?? UNKNOWN);
      this.#characters += file.length;
      if (this.#characters > NAMES_CHARACTERS_MAX)
        throw tooLarge(pathOfInput(this.#input), this.#files.length, this.#size);
      if (this.#files.length === this.#size) drafts.push(this.#close());
    }
    return drafts;
  }

  /** What is left, where the next input doesn't continue this one. */
  endBefore(next: InputSpec): MiniBatchDraft[] | undefined {
    const { root, select } = this.#input;
    return select.by === 'one' && next.select.by === 'one' && next.root === root ? undefined : this.end();
  }

  end(): MiniBatchDraft[] | undefined {
    return this.isEmpty ? undefined : [this.#close()];
  }

  #close(): MiniBatchDraft {
    const [files, stamps] = [this.#files, this.#stamps];
    this.#files = [];
    this.#stamps = [];
    this.#characters = 0;
    const { root, select, origin } = this.#input;
    const named = { root, files, ...(origin !== undefined && { origin }) };
    const source = { kind: 'files', ...(select.by === 'list' ? shortened(files) : named) } as const;
    return { source, items: files.length, ...(stamps.length > 0 && { stamps }) };
  }
}

/** The folder that files of a list have in common, and their names below it. @param paths relative to `/` */
export function shortened(paths: readonly string[]): { readonly root: string; readonly files: readonly string[] } {
  const [first = ''] = paths;
  let length = first.lastIndexOf('/') + 1;
  for (const path of paths)
    while (!path.startsWith(first.slice(0, length))) length = first.lastIndexOf('/', length - 2) + 1;
  return { root: `/${first.slice(0, Math.max(0, length - 1))}`, files: paths.map((path) => path.slice(length)) };
}

/** @throws DatasetError PR3009 where a mini-batch of files has too many to be sent. @param bytes of their names */
export function checkNames(bytes: number, folder: string, files: number): void {
  if (bytes > NAMES_CHARACTERS_MAX) throw tooLarge(folder, files, files);
}

function tooLarge(folder: string, files: number, size: number): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3009',
      what: 'a mini-batch has too many files',
      file: folder,
      why: `the names of its first ${files} files hold more than ${NAMES_CHARACTERS_MAX / 1024 / 1024} million characters`,
      next: `choose a mini-batch size, or partition keys, with well below ${Math.min(files, size)} files each`,
    }),
  );
}

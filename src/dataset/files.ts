import { invariant } from '../domain/assert.ts';
import type { InputSpec } from '../domain/plan.ts';
import type { MiniBatchDraft } from './draft.ts';
import { DatasetError, datasetProblem } from './error.ts';
import { walk } from './walk.ts';
import type { WalkOptions } from './walk.ts';

/** Characters of all file names of one mini-batch together: its list travels to the worker in one message. */
const NAMES_CHARACTERS_MAX = 64 * 1024 * 1024;

/**
 * Cuts files into mini-batches of `size`. An input ends its last mini-batch, so that no mini-batch spans two roots;
 * only single files of one folder, named one after the other, are put together as if they were one input.
 */
export async function* cutFiles(
  inputs: readonly InputSpec[],
  size: number,
  options: WalkOptions,
): AsyncGenerator<MiniBatchDraft[], void, undefined> {
  invariant(Number.isSafeInteger(size) && size >= 1, `mini-batch size ${size}`);
  let group: FileGroup | undefined;
  for (const input of inputs) {
    invariant(input.kind === 'files', 'tables are not cut by files');
    const ended = group?.endBefore(input);
    if (ended) yield ended;
    if (ended || group === undefined || group.isEmpty) group = new FileGroup(input, size);
    for await (const files of walk(input, options)) {
      const drafts = group.add(files);
      if (drafts.length > 0) yield drafts;
    }
  }
  const last = group?.end();
  if (last) yield last;
}

class FileGroup {
  readonly #input: InputSpec;
  readonly #size: number;
  #files: string[] = [];
  #characters = 0;

  constructor(input: InputSpec, size: number) {
    this.#input = input;
    this.#size = size;
  }

  get isEmpty(): boolean {
    return this.#files.length === 0;
  }

  /** The mini-batches that are full now. */
  add(files: readonly string[]): MiniBatchDraft[] {
    const drafts: MiniBatchDraft[] = [];
    for (const file of files) {
      this.#files.push(file);
      this.#characters += file.length;
      if (this.#characters > NAMES_CHARACTERS_MAX) throw tooLarge(this.#input, this.#files.length, this.#size);
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
    const files = this.#files;
    this.#files = [];
    this.#characters = 0;
    return { source: { kind: 'files', root: this.#input.root, files }, items: files.length };
  }
}

function tooLarge(input: InputSpec, files: number, size: number): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3009',
      what: 'a mini-batch has too many files',
      file: input.root,
      why: `the names of its first ${files} files hold more than ${NAMES_CHARACTERS_MAX / 1024 / 1024} million characters`,
      next: `choose a mini-batch size well below ${Math.min(files, size)}`,
    }),
  );
}

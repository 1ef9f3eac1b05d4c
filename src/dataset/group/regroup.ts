/** A run by partition keys that goes on: is its input the one that was grouped, and are the groups still there? */
import { isDeepStrictEqual } from 'node:util';
import type { MiniBatchSource } from '../../domain/minibatch.ts';
import type { Column, InputSpec } from '../../domain/plan.ts';
import { bytesOf, joinText } from '../bytepath.ts';
import type { MiniBatchDraft } from '../draft.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { FileCount, ListingDiffers } from '../known.ts';
import type { ManifestReader } from '../manifestreader.ts';
import { PathSet } from '../pathset.ts';
import { differs, keepsInodes, stampOf } from '../stamp.ts';
import { sourceAt } from '../storedfiles.ts';
import { isWhole } from '../unpack.ts';
import { walk } from '../walk.ts';
import { Grouping, groupedCopy } from './groups.ts';
import type { GroupCutting, GroupOptions } from './groups.ts';
import { groupedFiles } from './listing.ts';
import type { GroupedFile } from './listing.ts';

export interface RegroupOptions extends GroupOptions {
  readonly copies: string;
  readonly groupedFiles: string;
  readonly columns?: readonly Column[] | undefined;
  readonly manifest: ManifestReader;
  /** Mini-batches of the manifest. */
  readonly count: number;
  /** Changed tables are taken as they were grouped. */
  readonly acceptChanged: boolean;
}

/**
 * The mini-batches behind those of the manifest; none where it is complete.
 * @throws ListingDiffers (on iteration) where files were added or removed; DatasetError
 */
export async function* regroup(
  inputs: readonly InputSpec[],
  cutting: GroupCutting,
  complete: boolean,
  options: RegroupOptions,
): AsyncGenerator<readonly MiniBatchDraft[], void, undefined> {
  // Nothing was handed out before all was grouped.
  if (complete || options.count > 0) yield* compareListing(inputs, options);
  if (complete) return;
  const { count } = options;
  const { groupedFiles: _, ...again } = options;
  const grouping = await Grouping.open(inputs, cutting, count > 0 ? { ...again, counting: true } : options);
  try {
    for await (const { drafts, index } of sameGroups(inputs, grouping, options)) {
      if (drafts.length > 0) await grouping.publish();
      yield drafts.slice(Math.max(0, count - index));
    }
    await grouping.publish();
  } finally {
    await grouping.close();
  }
}

/**
 * Before a run goes on: the copy of its rows, made anew where a crash or the end of the run took it away.
 * @throws DatasetError PR3307 where the input makes other groups now, or the system's error of the copy
 */
export async function ensureGroups(
  inputs: readonly InputSpec[],
  cutting: GroupCutting,
  options: RegroupOptions,
): Promise<void> {
  const { count, copies } = options;
  const isTable = inputs.some((input) => input.kind === 'table');
  if (!isTable || count === 0 || (await isWhole(groupedCopy(copies)))) return;
  for await (const _ of compareListing(inputs, options));
  const { groupedFiles: _, ...again } = options;
  const grouping = await Grouping.open(inputs, cutting, again);
  try {
    for await (const _ of sameGroups(inputs, grouping, options));
    await grouping.publish();
  } finally {
    await grouping.close();
  }
}

/** The groups, `index` that of the first of each chunk; those of the manifest are what they were. @throws DatasetError PR3307 */
async function* sameGroups(
  inputs: readonly InputSpec[],
  grouping: Grouping,
  options: RegroupOptions,
): AsyncGenerator<{ readonly drafts: readonly MiniBatchDraft[]; readonly index: number }, void, undefined> {
  let index = 0;
  for await (const drafts of grouping.drafts()) {
    checkSame(drafts, index, options);
    yield { drafts, index };
    index += drafts.length;
  }
  if (index < options.count) throw changed(inputs);
}

/** @param from index of the first of the drafts. @throws DatasetError PR3307 */
function checkSame(drafts: readonly MiniBatchDraft[], from: number, { manifest, count }: RegroupOptions): void {
  for (const [i, { source }] of drafts.entries()) {
    if (from + i >= count) return;
    const stored = sourceAt(manifest, from + i);
    if (!isDeepStrictEqual(place(stored), place(source))) throw changed([], stored);
  }
}

/** What doesn't depend on where the run folder lies. */
function place(source: MiniBatchSource): object {
  return { ...source, data: undefined };
}

async function* compareListing(
  inputs: readonly InputSpec[],
  { groupedFiles: path, exclude, acceptChanged }: RegroupOptions,
): AsyncGenerator<readonly MiniBatchDraft[], void, undefined> {
  const left = new PathSet();
  for await (const file of groupedFiles(path)) left.add(file.path);
  const [added, removed] = [new FileCount(), new FileCount()];
  for (const input of inputs) {
    for await (const names of walk(input, { exclude })) {
      for (const name of names) if (!left.take(joinText(input.root, name))) added.note(joinText(input.root, name));
      yield [];
    }
  }
  if (left.size > 0) for await (const file of groupedFiles(path)) if (left.take(file.path)) removed.note(file.path);
  if (added.count > 0 || removed.count > 0) throw new ListingDiffers({ added, removed });
  // Whole files are looked at one by one, when they are handed out.
  if (acceptChanged || inputs.every((input) => input.kind === 'files')) return;
  const looker = new ChangeLooker();
  for await (const file of groupedFiles(path)) {
    looker.look(file);
    if (looker.looked % FILES_PER_TURN === 0) yield [];
  }
  if (looker.changed !== undefined) throw changed(inputs, undefined, looker.changed);
}

const FILES_PER_TURN = 512;
/** Fewer may well have been replaced one by one. */
const COPIED_MIN = 4;

/** Whether any file isn't what it was. Where all are copies with the times they had, their inodes say nothing. */
class ChangeLooker {
  looked = 0;
  #changed: string | undefined;
  #otherInode: string | undefined;
  #otherInodes = 0;

  get changed(): string | undefined {
    const isCopied = this.#otherInodes >= COPIED_MIN && this.#otherInodes === this.looked;
    return this.#changed ?? (isCopied ? undefined : this.#otherInode);
  }

  look(file: GroupedFile): void {
    this.looked += 1;
    const is = stampOf(bytesOf(file.path));
    if (is === 'gone' || differs(file, is, false)) this.#changed ??= file.path;
    else if (differs(file, is, true) && keepsInodes(bytesOf(file.path))) {
      this.#otherInodes += 1;
      this.#otherInode ??= file.path;
    }
  }
}

function changed(inputs: readonly InputSpec[], stored?: MiniBatchSource, file?: string): DatasetError {
  const where = file ?? (stored?.kind === 'rows' ? stored.file : inputs[0]?.root) ?? '';
  return new DatasetError(
    datasetProblem({
      code: 'PR3307',
      what: 'a table has changed since its rows were grouped',
      file: where,
      why: 'the rows of a partition key would be others than those that were counted when the run was started',
      next:
        file === undefined
          ? 'put the input back as it was and resume, or start a new run'
          : 'put the file back as it was; with --accept-changed-input the run goes on with the rows that were grouped, where these are still in its folder; or start a new run',
    }),
  );
}

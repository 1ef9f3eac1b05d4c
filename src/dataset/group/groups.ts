/**
 * Mini-batches by partition keys: all items of the input are gone through once and brought together by their keys; then
 * each group is a mini-batch, in the order of first appearance.
 */
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { MiniBatchSource } from '../../domain/minibatch.ts';
import type { Column, Cutting, InputSpec } from '../../domain/plan.ts';
import { bytesOf, textOf } from '../bytepath.ts';
import type { CreationOptions } from '../create.ts';
import type { MiniBatchDraft } from '../draft.ts';
import { checkNames, shortened } from '../files.ts';
import { fill } from '../fill.ts';
import { isQuery } from '../query/copy.ts';
import { Stamper, UNKNOWN } from '../stamp.ts';
import { markWhole } from '../unpack.ts';
import { checkOneDialect, feed } from './feed.ts';
import { picksRowsOf } from '../../domain/transform.ts';
import { RowPicker } from '../transform/pick.ts';
import type { RangeLimits } from '../table/ranges.ts';
import { Gather } from './gather.ts';
import type { Slice } from './gather.ts';
import { Grouper } from './grouper.ts';
import type { Group } from './grouper.ts';
import { Keys } from './keys.ts';
import type { KeyCutting } from './keys.ts';
import { GroupedFilesWriter } from './listing.ts';

export interface GroupOptions extends CreationOptions {
  /** The copy is there already: rows are only counted. */
  readonly counting?: boolean;
}

/** The file of regrouped rows. @param copies folder */
export const groupedCopy = (copies: string): string => `${copies}/groups`;

/**
 * Gives nothing before all of the input was read. Rows lie in a copy below `copies` then, which is whole on the disk;
 * without `copies` mini-batches can be listed, not read.
 * @throws DatasetError
 */
export async function* cutGroups(
  inputs: readonly InputSpec[],
  cutting: GroupCutting,
  options: GroupOptions,
): AsyncGenerator<MiniBatchDraft[], void, undefined> {
  const grouping = await Grouping.open(inputs, cutting, options);
  try {
    for await (const drafts of grouping.drafts()) {
      if (drafts.length > 0) await grouping.publish();
      yield drafts;
    }
    await grouping.publish();
  } finally {
    await grouping.close();
  }
}

/** By keys; or by size where steps decide which rows there are. */
export type GroupCutting = Exclude<Cutting, { by: 'rank' | 'files' }>;
const NO_KEYS: KeyCutting = { by: 'keys', keys: [] };

/** The cutting, where all of the input is gone through before there is a mini-batch. */
export function gathering(inputs: readonly InputSpec[], cutting: Cutting): GroupCutting | undefined {
  if (cutting.by === 'keys') return cutting;
  return (cutting.by === 'rows' || cutting.by === 'bytes') && picksRowsOf(inputs) ? cutting : undefined;
}

function limitsOf(cutting: Exclude<GroupCutting, KeyCutting>): RangeLimits {
  return cutting.by === 'rows' ? { rows: cutting.rows, bytes: Infinity } : { rows: Infinity, bytes: cutting.bytes };
}

function sliceSource({ file, first, start, end, items }: Slice, data: string | undefined): MiniBatchSource {
  const { path, table, origin, paths, fields } = file;
  return {
    kind: 'rows',
    file: path,
    start,
    end,
    ...(data !== undefined && { data }),
    firstRow: first,
    rows: items,
    table,
    keys: [],
    ...(origin !== undefined && { origin }),
    ...(paths.length > 0 && { paths }),
    ...(fields && { fields }),
  };
}

export class Grouping {
  readonly #inputs: readonly InputSpec[];
  readonly #keys: Keys;
  readonly #options: GroupOptions;
  readonly #folder: string;
  readonly #scratch: string;
  readonly #grouper: Grouper | Gather;
  readonly #isTable: boolean;
  /** Where items are put together; undefined: they are only counted. */
  readonly #output: string | undefined;
  readonly #query: { readonly query?: string };
  #listing: GroupedFilesWriter | undefined;
  #published = false;

  static async open(inputs: readonly InputSpec[], cutting: GroupCutting, options: GroupOptions): Promise<Grouping> {
    const { copies } = options;
    if (copies !== undefined) await mkdir(copies, { recursive: true, mode: 0o700 });
    const scratch = copies === undefined ? await mkdtemp(`${tmpdir()}/parallelrun-groups-`) : `${copies}/grouping`;
    // What a crash has left.
    await rm(scratch, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    try {
      return new Grouping(inputs, cutting, scratch, options);
    } catch (error) {
      await rm(scratch, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(inputs: readonly InputSpec[], cutting: GroupCutting, scratch: string, options: GroupOptions) {
    this.#inputs = inputs;
    this.#isTable = inputs.some((input) => input.kind === 'table');
    if (this.#isTable && cutting.by === 'keys') checkOneDialect(inputs);
    this.#keys = keysOf(inputs, cutting, options.columns);
    this.#options = options;
    this.#folder = folderOf(inputs);
    const databases = inputs.filter(isQuery).map(({ query }) => query.database);
    this.#query = databases.length > 0 ? { query: databases.join(', ') } : {};
    this.#scratch = scratch;
    const countsOnly = this.#isTable && (options.copies === undefined || options.counting === true);
    this.#output = countsOnly ? undefined : `${scratch}/output`;
    this.#grouper =
      cutting.by === 'keys'
        ? new Grouper({
            scratch: `${scratch}/parts`,
            ...(this.#output !== undefined && { output: this.#output }),
            ...(options.memoryBytes !== undefined && { memoryBytes: options.memoryBytes }),
          })
        : new Gather(limitsOf(cutting), this.#output);
  }

  /**
   * Reads the input, then gives its mini-batches. Rows are not where these say before `publish`. Gives nothing now and
   * then, so that it can be stopped while it reads.
   */
  async *drafts(): AsyncGenerator<MiniBatchDraft[], void, undefined> {
    const { signal, copies } = this.#options;
    const stop = new AbortController();
    const stopped = (): void => stop.abort(signal?.reason);
    signal?.addEventListener('abort', stopped, { once: true });
    if (signal?.aborted) stopped();
    let work: Promise<unknown> = this.#feed(stop.signal);
    let files: GroupFiles | undefined;
    try {
      yield* untilDone(work);
      await work;
      const data = copies === undefined ? undefined : groupedCopy(copies);
      if (!this.#isTable) files = new GroupFiles(this.#output ?? '', this.#folder, this.#options);
      const found = this.#grouper.groups(stop.signal);
      for (;;) {
        const next = found.next();
        work = next;
        yield* untilDone(next);
        const { done, value: groups } = await next;
        if (done === true) return;
        stop.signal.throwIfAborted();
        if (!files) yield groups.map((group) => ({ source: this.#rowsOf(group, data), items: group.items }));
        else for (const group of groups) yield [await files.draftOf(group, this.#keys)];
      }
    } finally {
      signal?.removeEventListener('abort', stopped);
      stop.abort();
      await work.catch(() => undefined);
      files?.close();
    }
  }

  async #feed(signal: AbortSignal): Promise<void> {
    const { exclude, onSkip, onPicked, groupedFiles, columns } = this.#options;
    const picker = RowPicker.of(this.#inputs, columns);
    if (groupedFiles !== undefined) this.#listing = new GroupedFilesWriter(groupedFiles);
    const listing = this.#listing;
    await feed(this.#inputs, this.#folder, this.#keys, this.#grouper, {
      exclude,
      signal,
      picker,
      ...(onSkip && { onSkip }),
      // Rows of a query have a mark of their own that they are whole, and move with the run folder.
      ...(listing && { onFile: (path, input) => listing.add(path, !isQuery(input)) }),
    });
    if (picker) onPicked?.(picker.picked);
  }

  /** Everything is where the mini-batches say; workers may go there. */
  async publish(): Promise<void> {
    if (this.#published) return;
    this.#published = true;
    await this.#listing?.finish();
    const { copies } = this.#options;
    if (!this.#isTable || copies === undefined || this.#output === undefined) return;
    // In place of what was there, not into it: after a crash workers may be reading it.
    await rename(this.#output, groupedCopy(copies));
    await markWhole(groupedCopy(copies), this.#grouper.bytes);
  }

  async close(): Promise<void> {
    if (!this.#published) this.#listing?.drop();
    await rm(this.#scratch, { recursive: true, force: true });
  }

  #rowsOf(group: Group | Slice, data: string | undefined): MiniBatchSource {
    const { key, start, end, items } = group;
    if ('file' in group) return sliceSource(group, data);
    const place = { file: this.#folder, start, end, ...(data !== undefined && { data }), ...this.#query };
    return { kind: 'rows', ...place, firstRow: 0, rows: items, table: 0, keys: this.#keys.named(key) };
  }
}

/** @param columns of the tables, with or without those that paths name */
export function keysOf(
  inputs: readonly InputSpec[],
  cutting: GroupCutting,
  columns: readonly Column[] | undefined,
): Keys {
  const isTable = inputs.some((input) => input.kind === 'table');
  return new Keys(
    cutting.by === 'keys' ? cutting : NO_KEYS,
    isTable ? (columns ?? []).filter(({ path }) => path !== true) : undefined,
  );
}

/** The deepest folder that holds all inputs. */
export function folderOf(inputs: readonly InputSpec[]): string {
  const [first = [], ...others] = inputs.map(({ root }) => root.split('/'));
  const common = first.findIndex((name, i) => others.some((other) => other[i] !== name));
  return (common < 0 ? first : first.slice(0, common)).join('/') || '/';
}

/** Mini-batches of files: their names are read from where they were put together. */
class GroupFiles {
  readonly #file: number;
  readonly #folder: string;
  readonly #stamper: Stamper | undefined;

  constructor(output: string, folder: string, { stamps }: GroupOptions) {
    this.#file = openSync(output, 'r');
    this.#folder = folder;
    this.#stamper = stamps === true ? new Stamper() : undefined;
  }

  async draftOf({ key, start, end, items }: Group, keys: Keys): Promise<MiniBatchDraft> {
    checkNames(end - start, this.#folder, items);
    const names = fill(this.#file, start, end - start)
      .toString('latin1')
      .split('\0')
      .slice(0, -1);
    const folder = bytesOf(this.#folder);
    const stamps = await this.#stamper?.stamps(
      names.map((name) => (folder === '/' ? `/${name}` : `${folder}/${name}`)),
    );
    return {
      source: { kind: 'files', ...this.#placed(names.map(textOf)), keys: keys.named(key) },
      items,
      ...(stamps && { stamps: stamps.map((stamp) => (stamp === 'gone' ? UNKNOWN : stamp)) }),
    };
  }

  /** Lists name files anywhere. */
  #placed(files: readonly string[]): { readonly root: string; readonly files: readonly string[] } {
    return this.#folder === '/' ? shortened(files) : { root: this.#folder, files };
  }

  close(): void {
    closeSync(this.#file);
  }
}

const LOOK_MS = 100;

/** Nothing, again and again, until the work has ended. */
async function* untilDone(work: Promise<unknown>): AsyncGenerator<MiniBatchDraft[], void, undefined> {
  const ended = work.then(
    () => true,
    () => true,
  );
  while (!(await Promise.race([ended, pause(LOOK_MS, false)]))) yield [];
}

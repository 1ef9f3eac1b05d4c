import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  createMiniBatches,
  decideSchema,
  DatasetError,
  checkPaths,
  gapsOf,
  isEmpty,
  isQuery,
  NoRowsLeft,
  pathColumns,
  withSteps,
} from '../dataset/index.ts';
import type { Arriving, CreationOptions, MiniBatchDraft, Picked } from '../dataset/index.ts';
import { runLayout } from '../domain/layout.ts';
import { pathOfInput } from '../domain/input.ts';
import type { Column, Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { groupingMemory } from './failpoints.ts';
import { refusal } from './host.ts';
import { Notes } from './notes.ts';

export interface SkippedInput {
  readonly path: string;
  readonly reason: string;
  /** So many rows of it, and no more. */
  readonly rows?: number;
}

export interface OpenedInput {
  readonly drafts: AsyncIterable<readonly MiniBatchDraft[]>;
  /** Of table inputs, decided once for the whole input. */
  readonly columns?: readonly Column[];
  /** Inputs left out while listing, as they come up: to be reported. */
  readonly skipped: Notes<SkippedInput>;
  /** How many rows the steps of an MLTable leave, once that is known. */
  readonly picked?: () => Picked | undefined;
  /** Of inputs that are being fetched: nothing more of `drafts` is wanted. */
  readonly stop?: () => void;
  /** What is to be told of them. */
  readonly notes?: Notes;
  /** Of inputs that were fetched: called at the end. */
  readonly release?: () => Promise<void>;
}

/**
 * Looks at the input and begins to list it: one that is missing or empty is refused before anything is started. Tables
 * are cut, and items grouped, when mini-batches are asked for: copies are made then, and there is no run folder yet.
 * @param looking nothing is written for the mini-batches: they can be listed, not read
 * @param arriving inputs that are still being fetched
 * @throws ParallelRunError exit code 2
 */
export async function openInput(
  plan: Plan,
  signal?: AbortSignal,
  looking = false,
  arriving?: Arriving,
): Promise<OpenedInput> {
  const { inputs, cutting } = plan;
  const skipped: OpenedInput['skipped'] = new Notes();
  const exclude = await notInput(plan);
  const columns = await schemaOf(plan, exclude, signal);
  const { copies, groupedFiles } = runLayout(plan.runFolder);
  const options = {
    exclude,
    stamps: true,
    ...(signal && { signal }),
    ...(columns && { columns }),
    ...(arriving && { arriving }),
  };
  const writing = looking ? {} : { copies, groupedFiles, ...groupingMemory(process.env) };
  const onSkip: CreationOptions['onSkip'] = (path, reason, rows) => {
    skipped.tell({ path, reason, ...(rows !== undefined && { rows }) });
  };
  let picked: Picked | undefined;
  const onPicked: CreationOptions['onPicked'] = (found) => (picked = found);
  const made = createMiniBatches(inputs, cutting, { ...options, ...writing, onSkip, onPicked });
  const listed = plan.allowEmpty ? made : orNoneLeft(made, () => picked);
  const drafts = looking ? refusing(listed) : listed;
  if (columns || cutting.by === 'keys') {
    const isNothing = (cutting.by === 'keys' || !plan.allowEmpty) && (await hasNothing(plan, exclude, signal));
    const added = isNothing ? [] : await pathColumns(inputs, cutting, options).catch(refuse);
    if (columns && !isNothing) await checkPaths(inputs, columns, { exclude, ...(signal && { signal }) }).catch(refuse);
    const known = new Set(columns?.map(({ name }) => name));
    const more = added.filter(({ name }) => !known.has(name));
    return { drafts, skipped, picked: () => picked, ...(columns && { columns: [...columns, ...more] }) };
  }
  const first = await drafts.next().catch(refuse);
  if (first.done && !plan.allowEmpty) throw emptyInput(plan, skipped.pending);
  return { drafts: resume(first, drafts), skipped };
}

/** @throws NoRowsLeft at the end */
async function* orNoneLeft<T>(
  drafts: AsyncIterable<T>,
  picked: () => Picked | undefined,
): AsyncGenerator<T, void, undefined> {
  yield* drafts;
  const { seen = 0, taken = 0 } = picked() ?? {};
  if (seen > 0 && taken === 0) throw new NoRowsLeft(seen);
}

/** What keeps an input from being listed is no failure of a run where there is none. */
async function* refusing<T>(drafts: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  try {
    yield* drafts;
  } catch (error) {
    refuse(error);
  }
}

/** @throws ParallelRunError where nothing isn't allowed */
async function hasNothing(plan: Plan, exclude: readonly string[], signal: AbortSignal | undefined): Promise<boolean> {
  const skipped: SkippedInput[] = [];
  const onSkip: CreationOptions['onSkip'] = (path, reason) => skipped.push({ path, reason });
  const empty = await isEmpty(plan.inputs, { exclude, onSkip, ...(signal && { signal }) }).catch(refuse);
  if (empty && !plan.allowEmpty) throw emptyInput(plan, skipped);
  return empty;
}

/** What is wrong with the input, as what keeps a run from starting. */
export function refuse(error: unknown): never {
  throw error instanceof DatasetError ? refusal(error.problem) : error;
}

async function schemaOf(
  plan: Plan,
  exclude: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly Column[] | undefined> {
  const tables = plan.inputs.filter((input) => input.kind === 'table');
  if (tables.length === 0) return undefined;
  // The rows of a query are looked at all: to make them took longer.
  const whole = tables.some(isQuery) ? { wholeBytesMax: Infinity } : {};
  const schema = await decideSchema(tables, { exclude, gapsOf: gapsOf(tables), ...whole, ...(signal && { signal }) });
  if (!schema.ok) throw refusal(schema.error);
  try {
    return withSteps(schema.value.columns, plan.inputs, plan.cutting);
  } catch (error) {
    return refuse(error);
  }
}

/** Folders below an input that a run itself makes: they would feed it with its own results. */
export async function notInput(plan: Plan): Promise<string[]> {
  const root = dirname(plan.runFolder);
  const holds = (folder: string): boolean =>
    plan.inputs.some((input) => input.root === folder || input.root.startsWith(`${folder}/`));
  const outputs = holds(plan.outputFolder) ? [] : [plan.outputFolder];
  if (!holds(root)) return [root, ...outputs];
  // The input lies in the root of the runs, or is it: only the runs in there are left out.
  const names = await readdir(root).catch(() => []);
  const runs = names
    .map((name) => `${root}/${name}`)
    .filter((folder) => existsSync(runLayout(folder).plan) && !holds(folder));
  return [plan.runFolder, ...runs, ...outputs];
}

function emptyInput(plan: Plan, skipped: readonly SkippedInput[]): ParallelRunError {
  const [first] = plan.inputs;
  const example = skipped[0];
  return new ParallelRunError(
    [
      {
        code: 'PR3001',
        severity: 'error',
        what: 'the input is empty',
        where: { file: first ? pathOfInput(first) : '' },
        why:
          first && isQuery(first)
            ? 'the query gave no rows'
            : example
              ? `${example.path} was left out: ${example.reason}${skipped.length > 1 ? `; and ${skipped.length - 1} more` : ''}`
              : plan.inputs.some((input) => input.select.by === 'glob')
                ? 'no file matches the pattern'
                : first?.select.by === 'list'
                  ? 'the list names no file'
                  : 'there is no file below it',
        next: `${first && isQuery(first) ? 'check the query' : 'check the path'}; with --allow-empty an empty input gives an empty output`,
      },
    ],
    2,
  );
}

async function* resume<T>(first: IteratorResult<T, unknown>, iterator: AsyncIterator<T>): AsyncGenerator<T> {
  try {
    for (let next = first; !next.done; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createMiniBatches, decideSchema, DatasetError, pathColumns, peekCutting } from '../dataset/index.ts';
import type { CreationOptions } from '../dataset/index.ts';
import { runLayout } from '../domain/layout.ts';
import type { Column, Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Draft } from '../orchestrator/index.ts';
import { groupingMemory } from './failpoints.ts';
import { refusal } from './host.ts';
import { Notes } from './notes.ts';

export interface SkippedInput {
  readonly path: string;
  readonly reason: string;
}

export interface OpenedInput {
  readonly drafts: AsyncIterable<readonly Draft[]>;
  /** Of table inputs, decided once for the whole input. */
  readonly columns?: readonly Column[];
  /** Inputs left out while listing, as they come up: to be reported. */
  readonly skipped: Notes<SkippedInput>;
}

/**
 * Starts cutting the input and looks at the first chunk: an input that is missing or empty is refused before
 * anything is started.
 * @param looking nothing is written for the mini-batches: they can be listed, not read
 * @throws ParallelRunError exit code 2
 */
export async function openInput(plan: Plan, signal?: AbortSignal, looking = false): Promise<OpenedInput> {
  const skipped: OpenedInput['skipped'] = new Notes();
  const exclude = await notInput(plan);
  const columns = await schemaOf(plan, exclude, signal);
  const { copies, groupedFiles } = runLayout(plan.runFolder);
  const writing = looking ? {} : { copies, groupedFiles, ...groupingMemory(process.env) };
  const options = { exclude, stamps: true, ...(signal && { signal }), ...(columns && { columns }) };
  const tell: CreationOptions['onSkip'] = (path, reason) => {
    skipped.tell({ path, reason });
  };
  // Of compressed tables copies are made while they are cut, and there is no run folder yet: that must begin later.
  // Nor is an input grouped only to see that there is something in it.
  const isTable = plan.inputs.some((input) => input.kind === 'table');
  const isLater = isTable || plan.cutting.by === 'keys';
  const peeked: SkippedInput[] = [];
  const onSkip: CreationOptions['onSkip'] = isLater ? (path, reason) => peeked.push({ path, reason }) : tell;
  const begun = createMiniBatches(plan.inputs, isLater ? peekCutting(plan.cutting, isTable) : plan.cutting, {
    ...options,
    onSkip,
  });
  const first = await begun.next().catch(refused);
  if (first.done && !plan.allowEmpty) throw emptyInput(plan, isLater ? peeked : skipped.pending);
  if (!isLater) return { drafts: resume(first, begun), skipped };
  await begun.return();
  const added = first.done ? [] : await pathColumns(plan.inputs, plan.cutting, options).catch(refused);
  const drafts = createMiniBatches(plan.inputs, plan.cutting, { ...options, ...writing, onSkip: tell });
  return {
    drafts: looking ? refusing(drafts) : drafts,
    skipped,
    ...(columns && { columns: [...columns, ...added] }),
  };
}

/** What keeps an input from being listed is no failure of a run where there is none. */
async function* refusing<T>(drafts: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* drafts;
  } catch (error) {
    refused(error);
  }
}

function refused(error: unknown): never {
  throw error instanceof DatasetError ? refusal(error.problem) : error;
}

async function schemaOf(
  plan: Plan,
  exclude: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly Column[] | undefined> {
  const tables = plan.inputs.filter((input) => input.kind === 'table');
  if (tables.length === 0) return undefined;
  const schema = await decideSchema(tables, { exclude, ...(signal && { signal }) });
  if (!schema.ok) throw refusal(schema.error);
  return schema.value.columns;
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
        where: { file: first ? first.root : '' },
        why: example
          ? `${example.path} was left out: ${example.reason}${skipped.length > 1 ? `; and ${skipped.length - 1} more` : ''}`
          : plan.inputs.some((input) => input.select.by === 'glob')
            ? 'no file matches the pattern'
            : 'there is no file below it',
        next: 'check the path; with --allow-empty an empty input gives an empty output',
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

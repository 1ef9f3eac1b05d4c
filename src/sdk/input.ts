import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInThread, createMiniBatches, decideSchema, DatasetError, HAS_THREAD } from '../dataset/index.ts';
import type { CreationOptions, MiniBatchDraft } from '../dataset/index.ts';
import { runLayout } from '../domain/layout.ts';
import type { Column, Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { DraftChunk } from '../orchestrator/index.ts';
import { refusal } from './host.ts';
import { Notes } from './notes.ts';

export interface SkippedInput {
  readonly path: string;
  readonly reason: string;
}

export interface OpenedInput<Chunk = DraftChunk> {
  readonly drafts: AsyncIterable<Chunk>;
  /** Of table inputs, decided once for the whole input. */
  readonly columns?: readonly Column[];
  /** Inputs left out while listing, as they come up: to be reported. */
  readonly skipped: Notes<SkippedInput>;
}

/**
 * Starts cutting the input and looks at the first chunk: an input that is missing or empty is refused before
 * anything is started.
 * @throws ParallelRunError exit code 2
 */
export function openInput(plan: Plan, signal?: AbortSignal): Promise<OpenedInput<readonly MiniBatchDraft[]>> {
  return open(plan, createMiniBatches, signal);
}

/** The same for a run: folders are listed in a thread, ready to be stored. */
export function openRunInput(plan: Plan, signal?: AbortSignal): Promise<OpenedInput> {
  const isLong = plan.inputs.some((input) => input.kind === 'files' && input.select.by !== 'one');
  return open<DraftChunk>(plan, HAS_THREAD && isLong ? createInThread : createMiniBatches, signal);
}

async function open<Chunk>(
  plan: Plan,
  cut: (...args: Parameters<typeof createMiniBatches>) => AsyncGenerator<Chunk, void, undefined>,
  signal?: AbortSignal,
): Promise<OpenedInput<Chunk>> {
  const skipped: OpenedInput['skipped'] = new Notes();
  const exclude = await notInput(plan);
  const columns = await schemaOf(plan, exclude, signal);
  const options = { exclude, stamps: true, copies: runLayout(plan.runFolder).copies, ...(signal && { signal }) };
  const tell: CreationOptions['onSkip'] = (path, reason) => {
    skipped.tell({ path, reason });
  };
  // Of compressed tables copies are made while they are cut, and there is no run folder yet: that must begin later.
  const isTable = plan.inputs.some((input) => input.kind === 'table');
  const peeked: SkippedInput[] = [];
  const { copies: _, ...peeking } = options;
  const onSkip: CreationOptions['onSkip'] = isTable ? (path, reason) => peeked.push({ path, reason }) : tell;
  const begun = cut(plan.inputs, plan.cutting, { ...(isTable ? peeking : options), onSkip });
  const first = await begun.next().catch((error: unknown) => {
    throw error instanceof DatasetError ? refusal(error.problem) : error;
  });
  if (first.done && !plan.allowEmpty) throw emptyInput(plan, isTable ? peeked : skipped.pending);
  if (!isTable) return { drafts: resume(first, begun), skipped };
  await begun.return();
  const drafts = cut(plan.inputs, plan.cutting, { ...options, onSkip: tell });
  return { drafts, skipped, ...(columns && { columns }) };
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

/** Queries as inputs: carried out before anything is listed, and once only. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { checkQueries, copyQueries, isQuery, missingCopy, withCopies } from '../dataset/index.ts';
import type { CopyOptions } from '../dataset/index.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { isDiskFull } from '../orchestrator/index.ts';
import { refuse } from './input.ts';

/** Where the rows are. */
type QueryFolder = { readonly queries: string };

export const hasQueries = (plan: Plan): boolean => plan.inputs.some(isQuery);

/** The same job over the rows of its queries. */
export function overRows<P extends Plan>(plan: P, layout: QueryFolder): P {
  return { ...plan, inputs: withCopies(plan.inputs, layout.queries) };
}

/** What can be known in advance. @throws ParallelRunError exit code 2 where a query can't be carried out */
export async function refuseBadQueries(plan: Plan, signal?: AbortSignal): Promise<void> {
  await inTemporary((folder) => checkQueries(plan.inputs, folder, signal ? { signal } : {})).catch(refuse);
}

/**
 * Carries out what hasn't been.
 * @throws ParallelRunError: exit code 2 where a query can't be carried out, 3 where the disk is full
 */
export async function carryOut(plan: Plan, layout: QueryFolder, options: CopyOptions): Promise<void> {
  await copyQueries(plan.inputs, layout.queries, options).catch((error: unknown) => {
    if (isDiskFull(error)) throw diskFull(plan, error as Error);
    refuse(error);
  });
}

/** Before there is a run: the rows of its queries are there as long as `work` goes on. */
export async function overRowsFor<T>(plan: Plan, options: CopyOptions, work: (plan: Plan) => Promise<T>): Promise<T> {
  if (!hasQueries(plan)) return work(plan);
  return inTemporary(async (queries) => {
    await carryOut(plan, { queries }, options);
    return work(overRows(plan, { queries }));
  });
}

/** @throws ParallelRunError PR3205, exit code 4, where mini-batches were made of rows that are gone */
export async function refuseLostRows(plan: Plan, layout: RunLayout): Promise<void> {
  const input = await missingCopy(plan.inputs, layout.queries);
  if (!input || !isQuery(input)) return;
  throw new ParallelRunError(
    [
      {
        code: 'PR3205',
        severity: 'error',
        what: 'the rows of a query are gone from the run folder, or damaged',
        where: { file: layout.queries },
        why: `the mini-batches are made of them, and the query on ${input.query.database} may give others now`,
        next: 'put the folder back as it was, or start a new run',
      },
    ],
    4,
  );
}

function diskFull({ runId, runFolder }: Plan, cause: Error): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR3204',
        severity: 'error',
        what: 'there is no room for the rows of the query',
        where: { file: runFolder },
        why: cause.message,
        next: `make room, then: parallelrun resume ${runId}`,
      },
    ],
    3,
    { cause },
  );
}

async function inTemporary<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(`${tmpdir()}/parallelrun-query-`);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

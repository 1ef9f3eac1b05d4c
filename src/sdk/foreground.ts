/** `test` and `replay`: one mini-batch in front of a person, in a scratch folder, as a worker of a run would do it. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { miniBatchIndex } from '../domain/ids.ts';
import { withCopy } from '../dataset/index.ts';
import type { Arriving } from '../dataset/index.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { StartFailure, TryFailure } from '../domain/failure.ts';
import type { ItemRange, MiniBatchSource } from '../domain/minibatch.ts';
import type { Column, Plan } from '../domain/plan.ts';
import type { ParallelRunError } from '../domain/problem.ts';
import type { ExitCode } from '../domain/problem.ts';
import type { TryOutcome } from '../domain/ports.ts';
import { snapshotCode } from '../environment/index.ts';
import { readLedger } from '../ledger/index.ts';
import { runInForeground } from '../node/foreground.ts';
import type { ForegroundResult } from '../node/foreground.ts';
import type { JobRequest } from '../job/request.ts';
import { systemClock } from './clock.ts';
import { createRunFolder, notCode } from './folder.ts';
import { prepareEntry, prepareHost, refusal, workerOptions } from './host.ts';
import { notInput, openInput, refuse } from './input.ts';
import { hasQueries, overRows, overRowsFor, refuseLostRows } from './queries.ts';
import { fetchForReplay, overFetched, secretsOfJob } from './remote.ts';
import { compile } from './start.ts';
import { openRun } from './stored.ts';

const PREVIEW_ROWS = 10;
const PREVIEW_BYTES = 16 * 1024;
const DEBUG_PORTS = { python: 5678, node: 9229 } as const;

export interface ForegroundReport {
  readonly index: number;
  readonly ok: boolean;
  /** Length of what `run()` returned. */
  readonly returned?: number;
  /** That `run()` got: 1 where only one was asked for. */
  readonly items: number;
  readonly rowsPreview: readonly string[];
  readonly failure?: TryFailure | StartFailure;
  /** Inside `run()`. */
  readonly seconds: number;
  readonly exitCode: ExitCode;
}

interface ForegroundCommon {
  readonly onDebugWaiting?: (where: { readonly port: number; readonly url?: string }) => void;
  readonly signal?: AbortSignal;
}
export interface TestOptions extends ForegroundCommon {
  /** Which mini-batch; default the first. */
  readonly index?: number;
  readonly debugPort?: number;
}
export interface ReplayOptions extends ForegroundCommon {
  readonly debug?: boolean;
  /** Default 5678 (Python), 9229 (Node). */
  readonly port?: number;
  /** Only this item of the mini-batch: a file or a row, by its position from 0. */
  readonly item?: number;
  /** Python: the post-mortem debugger in the terminal where `run()` raises. */
  readonly pdb?: boolean;
}

interface Job {
  readonly plan: Plan;
  readonly layout: RunLayout;
  readonly columns: readonly Column[] | undefined;
  /** Folders below the input that are none of it. */
  readonly exclude: readonly string[];
  readonly index: number;
  readonly source: MiniBatchSource;
  /** Of the whole mini-batch. */
  readonly items: number;
  readonly part?: ItemRange;
  readonly debug?: { readonly port: number; readonly postMortem?: boolean };
}

/** @throws ParallelRunError exit code 2, where the job is not valid or has no such mini-batch */
export async function testJob(request: JobRequest, options: TestOptions = {}): Promise<ForegroundReport> {
  const { plan, secrets } = await compile(request);
  const signal = options.signal ? { signal: options.signal } : {};
  return overFetched(plan, { secrets, ...signal }, (here, arriving) =>
    overRowsFor(here, signal, (overRows) => testOne(overRows, options, arriving)),
  );
}

async function testOne(plan: Plan, options: TestOptions, arriving?: Arriving): Promise<ForegroundReport> {
  const index = options.index ?? 0;
  const input = await openInput(plan, options.signal, true, arriving);
  let found: { source: MiniBatchSource; items: number } | undefined;
  let seen = 0;
  for await (const chunk of input.drafts) {
    found = chunk[index - seen];
    seen += chunk.length;
    if (found) break;
  }
  if (!found) throw noSuchMiniBatch(index, seen);
  const miniBatch = found;
  const exclude = await notInput(plan);
  return inScratch(plan, async (scratch) => {
    const layout = await createRunFolder(scratch);
    const snapshot = await snapshotCode(plan.entry.codeFolder, layout.code, notCode(plan));
    if (!snapshot.ok) throw refusal(snapshot.error);
    const debug = options.debugPort === undefined ? {} : { debug: { port: options.debugPort } };
    return runOne({ plan: scratch, layout, columns: input.columns, exclude, index, ...miniBatch, ...debug }, options);
  });
}

/**
 * Exactly that mini-batch again: same items, code snapshot, arguments and environment. Its logs and outputs go to a
 * scratch folder: the run stays as it is.
 * @throws ParallelRunError exit code 2, where there is no such run or mini-batch
 */
export async function replay(
  root: string,
  runId: string,
  index: number,
  options: ReplayOptions = {},
): Promise<ForegroundReport> {
  const run = await openRun(root, runId);
  const entry = await run.manifestEntry(index);
  const columns = await columnsOf(run.layout.ledger);
  const { source, items } = entry;
  if (hasQueries(run.plan)) await refuseLostRows(run.plan, run.layout);
  const plan = overRows(run.plan, run.layout);
  const exclude = await notInput(plan);
  const part = options.item === undefined ? undefined : onlyItem(index, items, options.item);
  const secrets = await secretsOfJob(plan);
  const release = await fetchForReplay(plan, { secrets, ...(options.signal && { signal: options.signal }) });
  return inScratch(plan, async (scratch) => {
    const layout = { ...(await createRunFolder(scratch)), code: run.layout.code };
    const port = options.port ?? DEBUG_PORTS[plan.entry.language];
    const debug = options.debug ? { debug: { port } } : options.pdb ? { debug: { port, postMortem: true } } : {};
    return runOne(
      { plan: scratch, layout, columns, exclude, index, source, items, ...(part && { part }), ...debug },
      options,
    );
  }).finally(release);
}

async function runOne(job: Job, options: ForegroundCommon): Promise<ForegroundReport> {
  const { plan, layout, index, items, part } = job;
  const { inputs, cutting } = plan;
  const context = { inputs, cutting, columns: job.columns, exclude: job.exclude };
  const source = await withCopy(job.source, layout.copies, context).catch(refuse);
  const prepared = await prepareHost(plan, () => undefined, options.signal, layout.code);
  const entry = await prepareEntry(plan, layout);
  const result = await runInForeground({
    ...workerOptions(plan, layout, entry, prepared, job.columns, systemClock),
    miniBatches: [
      {
        index: miniBatchIndex(index),
        items,
        ...(part && { part }),
        source: new TextEncoder().encode(JSON.stringify(source)),
      },
    ],
    ...(job.debug && { debug: job.debug }),
    ...(options.onDebugWaiting && { onDebugWaiting: options.onDebugWaiting }),
    ...(options.signal && { signal: options.signal }),
  });
  return reportOf(result, index, part ? part.to - part.from : items);
}

async function reportOf(result: ForegroundResult, index: number, items: number): Promise<ForegroundReport> {
  const common = { index, items, rowsPreview: [], seconds: 0, ok: false };
  if (result.interrupted)
    return { ...common, failure: { kind: 'canceled' }, exitCode: result.interrupted === 'SIGTERM' ? 143 : 130 };
  if (!result.start.ok) return { ...common, failure: result.start.failure, exitCode: 1 };
  const [outcome] = result.outcomes;
  if (!outcome) return { ...common, failure: { kind: 'worker-lost', exit: result.exit }, exitCode: 1 };
  const seconds = outcome.timing.runSeconds;
  if (!outcome.result.ok) return { ...common, seconds, failure: outcome.result.failure, exitCode: 1 };
  return {
    ...common,
    ok: true,
    returned: outcome.result.returned,
    rowsPreview: await preview(outcome.result.rows),
    seconds,
    exitCode: 0,
  };
}

async function preview(rows: Extract<TryOutcome['result'], { ok: true }>['rows']): Promise<string[]> {
  const bytes = rows instanceof Uint8Array ? rows.subarray(0, PREVIEW_BYTES) : await headOf(rows.part);
  return Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .slice(0, PREVIEW_ROWS)
    .filter((line) => line !== '');
}

async function headOf(path: string): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(PREVIEW_BYTES);
    const { bytesRead } = await file.read(buffer, 0, PREVIEW_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A run folder of its own below the temporary folder, gone afterwards. */
async function inScratch<T>(plan: Plan, work: (scratch: Plan) => Promise<T>): Promise<T> {
  const root = await mkdtemp(`${tmpdir()}/parallelrun-`);
  const runFolder = `${root}/${plan.runId}`;
  try {
    return await work({
      ...plan,
      runFolder,
      outputFolder: `${runFolder}/outputs`,
      output: scratchOutput(plan, runFolder),
      sideOutputs: {},
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function scratchOutput(plan: Plan, runFolder: string): Plan['output'] {
  if (plan.output.action !== 'append_row') return plan.output;
  const { format } = plan.output;
  // the first rows are shown, and Parquet has no text
  return { ...plan.output, file: `${runFolder}/outputs/rows`, format: format === 'parquet' ? 'jsonl' : format };
}

/** @param items of the mini-batch; a rank mini-batch has none */
function onlyItem(index: number, items: number, item: number): ItemRange {
  if (Number.isInteger(item) && item >= 0 && item < items) return { from: item, to: item + 1 };
  throw refusal({
    code: 'PR5003',
    severity: 'error',
    what: items === 0 ? `mini-batch ${index} has no items to choose from` : `mini-batch ${index} has no item ${item}`,
    why: items === 0 ? 'it comes with a rank, not with files or rows' : `its items are numbered 0 to ${items - 1}`,
    next: 'leave --item out to run the whole mini-batch',
  });
}

async function columnsOf(ledger: string): Promise<readonly Column[] | undefined> {
  for await (const events of readLedger(ledger)) {
    for (const event of events) if (event.type === 'schema-decided') return event.columns as readonly Column[];
  }
  return undefined;
}

function noSuchMiniBatch(index: number, count: number): ParallelRunError {
  return refusal({
    code: 'PR5003',
    severity: 'error',
    what: `the input has no mini-batch ${index}`,
    why: `it makes ${count}, numbered from 0`,
    next: 'parallelrun plan shows the first ten',
  });
}

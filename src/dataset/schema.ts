/**
 * Decides the columns of a table input once, for all its files, so that every mini-batch has the same. Inputs of up
 * to 256 MiB are read whole: then the types are exactly those of one `read_csv` over everything. Of larger ones the
 * first 16 MiB and 64 samples of 256 KiB, evenly spread, are looked at (`sampled`).
 */
import { invariant } from '../domain/assert.ts';
import type { InputSpec, TableSchema } from '../domain/plan.ts';
import { err, ok } from '../domain/problem.ts';
import type { Problem, Result } from '../domain/problem.ts';
import { ColumnFacts } from './columns.ts';
import { DatasetError, datasetProblem } from './error.ts';
import { readHead } from './head.ts';
import type { TableHead } from './head.ts';
import { scanRows, scanSample } from './sample.ts';
import { joinText } from './tables.ts';
import { walk } from './walk.ts';
import type { WalkOptions } from './walk.ts';

const MIB = 1024 * 1024;
/** Files opened at the same time, 64 KiB of memory each. */
const HEADS_AT_ONCE = 8;

export interface SchemaOptions extends WalkOptions {
  /** Inputs up to this size are read whole. */
  readonly wholeBytesMax?: number;
  /** Of larger ones so much from the front, */
  readonly frontBytes?: number;
  /** and so many samples of this size each. */
  readonly samples?: number;
  readonly sampleBytes?: number;
}

type TableInput = InputSpec & { kind: 'table' };
interface Table extends TableHead {
  readonly file: string;
  readonly input: TableInput;
}

/** What the first pass finds out: the names are the same everywhere, and how much there is to read. */
interface Survey {
  readonly first: Table;
  readonly bytes: number;
}

/** @returns no columns where there is no file with a header or a row */
export async function decideSchema(
  inputs: readonly InputSpec[],
  options: SchemaOptions = {},
): Promise<Result<TableSchema, Problem>> {
  const tables = inputs.map((input) => {
    invariant(input.kind === 'table', 'only tables have a schema');
    return input;
  });
  try {
    const survey = await takeSurvey(tables, options);
    if (!survey) return ok({ columns: [] });
    const sampled = survey.bytes > (options.wholeBytesMax ?? 256 * MIB);
    const facts = new ColumnFacts(survey.first.names.length);
    if (sampled) await readSamples(tables, survey.bytes, facts, options);
    else await readAll(tables, facts, options);
    return ok({ columns: facts.columns(survey.first.names, sampled), ...(sampled && { sampled }) });
  } catch (error) {
    if (error instanceof DatasetError) return err(error.problem);
    throw error;
  }
}

async function takeSurvey(inputs: readonly TableInput[], options: WalkOptions): Promise<Survey | undefined> {
  let first: Table | undefined;
  let bytes = 0;
  for await (const table of eachTable(inputs, options)) {
    const difference = first && compareNames(first, table);
    if (difference) throw difference;
    checkWidth(table);
    first ??= table;
    bytes += table.size;
  }
  return first && { first, bytes };
}

/** The files that hold anything, in order. */
async function* eachTable(inputs: readonly TableInput[], options: WalkOptions): AsyncGenerator<Table, void, undefined> {
  const { exclude, signal } = options;
  // what is skipped is told when mini-batches are cut
  const quiet: WalkOptions = { ...(exclude && { exclude }), ...(signal && { signal }) };
  for (const input of inputs) {
    for await (const names of walk(input, quiet)) {
      for (let from = 0; from < names.length; from += HEADS_AT_ONCE) {
        yield* await readTables(input, names.slice(from, from + HEADS_AT_ONCE));
      }
    }
  }
}

/** @throws the error of the first file that has one, whichever fails first */
async function readTables(input: TableInput, names: readonly string[]): Promise<Table[]> {
  const files = names.map((name) => joinText(input.root, name));
  const heads = await Promise.allSettled(files.map((file) => readHead(file, input.csv)));
  return heads.flatMap((head, i) => {
    if (head.status === 'rejected') throw head.reason;
    return head.value ? [{ ...head.value, file: files[i] ?? '', input }] : [];
  });
}

async function readAll(inputs: readonly TableInput[], facts: ColumnFacts, options: SchemaOptions): Promise<void> {
  for await (const { file, input, dataStart } of eachTable(inputs, options)) {
    await scanRows(file, input.csv, facts, { start: dataStart, signal: options.signal });
  }
}

async function readSamples(
  inputs: readonly TableInput[],
  bytes: number,
  facts: ColumnFacts,
  options: SchemaOptions,
): Promise<void> {
  const { frontBytes = 16 * MIB, samples = 64, sampleBytes = 256 * 1024, signal } = options;
  let before = 0;
  let frontLeft = frontBytes;
  let next = 0;
  for await (const { file, input, dataStart, size, names } of eachTable(inputs, options)) {
    if (frontLeft > 0) {
      await scanRows(file, input.csv, facts, { start: dataStart, end: dataStart + frontLeft, signal });
      frontLeft -= size;
    }
    for (; next < samples && ((next + 1) * bytes) / (samples + 1) < before + size; next++) {
      const position = Math.floor(((next + 1) * bytes) / (samples + 1)) - before;
      const start = Math.max(dataStart, Math.min(position, size - sampleBytes));
      await scanSample(file, input.csv, facts, {
        start,
        bytes: sampleBytes,
        exact: start === dataStart,
        columns: names.length,
        size,
      });
    }
    before += size;
  }
}

function compareNames(a: Table, b: Table): DatasetError | undefined {
  if (a.names.length === b.names.length && a.names.every((name, i) => name === b.names[i])) return undefined;
  const [inA, inB] = [new Set(a.names), new Set(b.names)];
  const missing = a.names.filter((name) => !inB.has(name));
  const added = b.names.filter((name) => !inA.has(name));
  const differences = [
    ...(missing.length > 0 ? [`it lacks ${listed(missing)}`] : []),
    ...(added.length > 0 ? [`it has ${listed(added)} besides`] : []),
  ];
  return new DatasetError(
    datasetProblem({
      code: 'PR3007',
      what: 'the files of the table do not have the same columns',
      file: b.file,
      line: 1,
      why: `compared with ${a.file}, ${differences.length > 0 ? differences.join(' and ') : orderDifference(a.names, b.names)}`,
      next: 'give files with other columns to a run of their own, or narrow the input with a glob; if they are no tables, give a number of files as mini-batch size',
    }),
  );
}

function orderDifference(a: readonly string[], b: readonly string[]): string {
  const at = a.findIndex((name, i) => name !== b[i]);
  return `its columns come in another order: column ${at + 1} is ${quoted(b[at])}, there ${quoted(a[at])}`;
}

const NAMES_SHOWN = 5;

function listed(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return names.slice(0, NAMES_SHOWN).map(quoted).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function quoted(name: string | undefined): string {
  return JSON.stringify(name);
}

/** pandas would take the first columns of such a table for its index, and shift all others. */
function checkWidth({ file, names, firstRowFields }: Table): void {
  if (firstRowFields === undefined || firstRowFields <= names.length) return;
  throw new DatasetError(
    datasetProblem({
      code: 'PR3008',
      what: 'the rows of a table have more fields than there are column names',
      file,
      why: `${names.length} names in the header, ${firstRowFields} fields in the first row`,
      next: 'name every column in the header, and look for a delimiter at the end of each row',
    }),
  );
}

import type { TableFormat, TableSchema } from '../../domain/plan.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { ColumnFacts } from './columns.ts';
import { compareNames } from './drift.ts';
import { Sampling, filesOf, isSampled } from './files.ts';
import type { SchemaOptions, TableInput } from './files.ts';
import { isDerived } from '../read.ts';
import { readHead } from './head.ts';
import type { TableHead } from './head.ts';
import { scanRows, scanSample } from './sample.ts';

/** Files opened at the same time, 64 KiB of memory each. */
const HEADS_AT_ONCE = 8;

type CsvInput = TableInput<Extract<TableFormat, { format: 'csv' }>>;
interface Table extends TableHead {
  readonly file: string;
  readonly input: CsvInput;
}

/** What the first pass finds out: the names are the same everywhere, and how much there is to read. */
interface Survey {
  readonly first: Table;
  readonly bytes: number;
}

/** @returns no columns where there is no file with a header or a row. @throws DatasetError */
export async function csvSchema(tables: readonly CsvInput[], options: SchemaOptions): Promise<TableSchema> {
  const survey = await takeSurvey(tables, options);
  if (!survey) return { columns: [] };
  const sampled = isSampled(survey.bytes, options);
  const facts = new ColumnFacts(survey.first.names.length);
  if (sampled) await readSamples(tables, survey.bytes, facts, options);
  else await readAll(tables, facts, options);
  return { columns: facts.columns(survey.first.names, sampled), ...(sampled && { sampled }) };
}

async function takeSurvey(inputs: readonly CsvInput[], options: SchemaOptions): Promise<Survey | undefined> {
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
async function* eachTable(inputs: readonly CsvInput[], options: SchemaOptions): AsyncGenerator<Table, void, undefined> {
  for (const input of inputs) {
    for await (const files of filesOf(input, options)) {
      for (let from = 0; from < files.length; from += HEADS_AT_ONCE) {
        yield* await readTables(input, files.slice(from, from + HEADS_AT_ONCE));
      }
    }
  }
}

/** @throws the error of the first file that has one, whichever fails first */
async function readTables(input: CsvInput, files: readonly string[]): Promise<Table[]> {
  const heads = await Promise.allSettled(files.map((file) => readHead(file, input.table)));
  return heads.flatMap((head, i) => {
    if (head.status === 'rejected') throw head.reason;
    return head.value ? [{ ...head.value, file: files[i] ?? '', input }] : [];
  });
}

async function readAll(inputs: readonly CsvInput[], facts: ColumnFacts, options: SchemaOptions): Promise<void> {
  for await (const { file, input, dataStart } of eachTable(inputs, options)) {
    await scanRows(file, input.table, facts, { start: dataStart, signal: options.signal });
  }
}

async function readSamples(
  inputs: readonly CsvInput[],
  bytes: number,
  facts: ColumnFacts,
  options: SchemaOptions,
): Promise<void> {
  const sampling = new Sampling(bytes, options);
  for await (const { file, input, dataStart, size, names } of eachTable(inputs, options)) {
    const { front, samples } = sampling.take(size, dataStart);
    if (front > 0)
      await scanRows(file, input.table, facts, { start: dataStart, end: dataStart + front, signal: options.signal });
    for (const sample of isDerived(file, input.table.encoding) ? [] : samples) {
      const exact = sample.start === dataStart;
      await scanSample(file, input.table, facts, { ...sample, exact, columns: names.length, size });
    }
  }
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

/** What the steps of an MLTable make of the columns of its files. Pure. */
import { nearest } from '../../domain/nearest.ts';
import { parsePathFormat } from '../../domain/pathformat.ts';
import type { Column, Cutting, InputSpec } from '../../domain/plan.ts';
import { stepsOf } from '../../domain/transform.ts';
import type { Condition, Conversion, TableStep } from '../../domain/transform.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { checkCondition } from './filter.ts';

/** The column that `include_path_column` makes. */
export const PATH_COLUMN = 'Path';

/** Columns of which it matters whether values are missing: their type depends on it when they are converted. */
export function gapsOf(inputs: readonly InputSpec[]): ReadonlySet<string> {
  return new Set(stepsOf(inputs).flatMap((step) => (step.step === 'convert' ? step.columns : [])));
}

/**
 * The columns of the files, with what is done to them, and behind them those that paths name.
 * @param columns of the files. @throws DatasetError PR1036 where a step names a column that isn't there
 */
export function withSteps(
  columns: readonly Column[],
  inputs: readonly InputSpec[],
  cutting: Cutting,
): readonly Column[] {
  const steps = stepsOf(inputs);
  if (steps.length === 0 || columns.length === 0) return columns;
  const keys = cutting.by === 'keys' ? cutting.keys : undefined;
  const isCsv = inputs.some((input) => input.kind === 'table' && input.table.format === 'csv');
  let found = columns;
  for (const step of steps) found = afterStep(found, step, isCsv);
  if (!keys) return found;
  for (const key of keys) checkKey(found, key, steps);
  // A mini-batch has rows of many paths: of what these name the keys alone have one value in all of them.
  return found.map((column) =>
    column.path === true && !keys.includes(column.name) ? { ...column, hidden: true } : column,
  );
}

export function afterStep(columns: readonly Column[], step: TableStep, isCsv: boolean): readonly Column[] {
  switch (step.step) {
    case 'drop':
    case 'keep': {
      const named = new Set(step.columns);
      for (const name of named) columnNamed(columns, name, step);
      const isDrop = step.step === 'drop';
      return columns.map((column) => (named.has(column.name) === isDrop ? { ...column, hidden: true } : column));
    }
    case 'convert': {
      const named = new Set(step.columns);
      for (const name of named) checkConversion(columnNamed(columns, name, step), step);
      return columns.map((column) => (named.has(column.name) ? afterConversion(column, step.to, isCsv) : column));
    }
    case 'empty':
      return columns.map((column) => (isCsv && column.type === 'string' ? { ...column, empty: true } : column));
    case 'path':
      return withPathColumns(columns, [{ name: PATH_COLUMN, type: 'string', path: true }], step);
    case 'extract':
      return withPathColumns(columns, extracted(step.format), step);
    case 'filter':
      checkCondition(
        step.condition,
        (name) => columnNamed(columns, name, step),
        (why) => wrong(step, why),
      );
      return columns;
    case 'skip':
    case 'take':
      return columns;
  }
}

function extracted(format: string): readonly Column[] {
  const parsed = parsePathFormat(format);
  if (typeof parsed === 'string') return [];
  return parsed.names.map((name): Column => {
    const from: Column = { name, type: 'string', path: true };
    if (!parsed.times.has(name)) return from;
    return { ...from, type: 'datetime', convert: { from, to: { type: 'datetime', formats: [] } } };
  });
}

function withPathColumns(columns: readonly Column[], added: readonly Column[], step: TableStep): readonly Column[] {
  const twice = added.find(({ name }) => columns.some((column) => column.name === name));
  if (twice) throw wrong(step, `the table has a column ${JSON.stringify(twice.name)} already`);
  return [...columns, ...added];
}

function afterConversion(column: Column, to: Conversion, isCsv: boolean): Column {
  const { empty: _, native: __, ...rest } = column;
  // Of CSV the text as it stands: 007 is a text, too, and a number only where that is wanted.
  const isText = isCsv && column.path !== true;
  const found = column.found ?? column.type;
  const from: Column = isText ? { ...column, type: 'string', found } : column;
  const hasGaps = column.missing === true;
  const isNative = column.type === 'native';
  const keepsEmpty = column.empty === true && to.type === 'string';
  if (isText && to.type === 'string')
    return { ...rest, type: 'string', found, ...(keepsEmpty && { empty: true as const }) };
  return { ...rest, type: typeOf(to, hasGaps && !isNative, hasGaps), convert: { from: withoutEmpty(from), to } };
}

function withoutEmpty({ empty: _, ...column }: Column): Column {
  return column;
}

/** @param isFloat whole numbers with gaps are floats; of native columns that is decided where they are handed over */
function typeOf({ type }: Conversion, isFloat: boolean, hasGaps: boolean): Column['type'] {
  switch (type) {
    case 'string':
    case 'datetime':
      return type;
    case 'float':
      return 'float64';
    case 'int':
      return isFloat ? 'float64' : 'int64';
    case 'boolean':
      return hasGaps ? 'nullable-bool' : 'bool';
  }
}

function checkConversion(column: Column, step: TableStep): void {
  if (column.convert && column.path !== true)
    throw wrong(step, `the column ${JSON.stringify(column.name)} is converted already`);
}

/** A key means the column as the files have it. @throws DatasetError PR1036 */
function checkKey(columns: readonly Column[], key: string, steps: readonly TableStep[]): void {
  const column = columns.find(({ name }) => name === key);
  const [step] = steps;
  if (!column || !step) return;
  if (column.hidden === true) throw wrong(step, `the partition key ${JSON.stringify(key)} is a column that is dropped`);
  const { convert, path } = column;
  if (convert && path !== true && (convert.to.type === 'datetime' || convert.to.type === 'boolean'))
    throw wrong(
      step,
      `the partition key ${JSON.stringify(key)} is converted to ${convert.to.type}, and rows are brought together by the values of the files`,
    );
}

function columnNamed(columns: readonly Column[], name: string, step: TableStep): Column {
  const known = columns.filter(({ hidden }) => hidden !== true).map((column) => column.name);
  const column = columns.find((each) => each.name === name && each.hidden !== true);
  if (column) return column;
  const meant = nearest(name, known);
  throw wrong(
    step,
    `there is no column ${JSON.stringify(name)} at this place; there are ${known.map((each) => JSON.stringify(each)).join(', ')}`,
    meant === undefined ? undefined : `did you mean ${JSON.stringify(meant)}?`,
  );
}

const NAMES: Readonly<Record<TableStep['step'], string>> = {
  drop: 'drop_columns',
  keep: 'keep_columns',
  convert: 'convert_column_types',
  extract: 'extract_columns_from_partition_format',
  path: 'include_path_column',
  empty: 'empty_as_string',
  filter: 'filter',
  skip: 'skip',
  take: 'take',
};

export function wrong({ step, at }: TableStep, why: string, next?: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR1036',
      what: `the transformation ${NAMES[step]} does not fit the table`,
      file: at.file,
      ...(at.line !== undefined && { line: at.line }),
      why,
      ...(next !== undefined && { next }),
    }),
  );
}

/** Columns that a condition looks at. */
export function columnsIn(condition: Condition): readonly string[] {
  switch (condition.op) {
    case 'and':
    case 'or':
      return condition.of.flatMap(columnsIn);
    case 'not':
      return columnsIn(condition.of);
    case 'is null':
    case 'truth':
      return [condition.column];
    default:
      return [condition.left, condition.right].flatMap((side) => ('column' in side ? [side.column] : []));
  }
}

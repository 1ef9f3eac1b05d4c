/** Transformations of an MLTable that change rows or columns. Pure. */
import { wrongFormat } from '../domain/convert.ts';
import { parsePathFormat } from '../domain/pathformat.ts';
import type { Cutting, InputSpec } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { Conversion, TableStep } from '../domain/transform.ts';
import { parseCondition } from './condition.ts';
import type { Problems } from './problems.ts';
import { listed } from './problems.ts';
import type { WrittenNode } from './written.ts';
import { child, describeNode, entriesOf, isNull } from './written.ts';

export const PARTITION = 'extract_columns_from_partition_format';

type Read = (body: WrittenNode | undefined, at: SourceLocation) => readonly TableStep[] | string;

const STEPS: Readonly<Record<string, Read>> = {
  drop_columns: (body, at) => ofColumns('drop', body, at),
  keep_columns: (body, at) => ofColumns('keep', body, at),
  convert_column_types: conversions,
  [PARTITION]: extraction,
  filter,
  skip: (body, at) => ofCount('skip', body, at),
  take: (body, at) => ofCount('take', body, at),
};

/** Names of the steps that are read here. */
export const STEP_NAMES = Object.keys(STEPS);

/** @returns nothing where the step is wrong; reported */
export function readSteps(
  name: string,
  body: WrittenNode | undefined,
  at: SourceLocation,
  problems: Problems,
): readonly TableStep[] {
  const { file, line } = at;
  const steps = STEPS[name]?.(body, { file, ...(line !== undefined && { line }) }) ?? [];
  if (typeof steps !== 'string') return steps;
  problems.error('PR1036', `the transformation ${name} cannot be read`, { where: body?.at() ?? at, why: steps });
  return [];
}

const found = (node: WrittenNode | undefined): string => `found ${node === undefined ? 'nothing' : describeNode(node)}`;

/** Of a text, a number or a truth value, as it is written. */
function textOf(node: WrittenNode | undefined): string | undefined {
  return node?.kind === 'scalar' && !isNull(node) ? node.text : undefined;
}

/** A text, or a list of some. */
function textsOf(node: WrittenNode | undefined): readonly string[] | undefined {
  if (node?.kind === 'list') {
    const texts = node.items.map(textOf);
    const known = texts.filter((text) => text !== undefined && text !== '');
    return texts.length > 0 && known.length === texts.length ? (known as readonly string[]) : undefined;
  }
  const text = textOf(node);
  return text === undefined || text === '' ? undefined : [text];
}

function ofColumns(step: 'drop' | 'keep', body: WrittenNode | undefined, at: SourceLocation): ReturnType<Read> {
  const columns = textsOf(child(body, 'columns') ?? body);
  return columns ? [{ step, columns, at }] : `${found(body)}; allowed: the name of a column, or a list of names`;
}

function ofCount(step: 'skip' | 'take', body: WrittenNode | undefined, at: SourceLocation): ReturnType<Read> {
  const node = child(body, 'count') ?? body;
  const text = textOf(node);
  const count = text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(count) ? [{ step, count, at }] : `${found(body)}; allowed: a number of rows from 0 on`;
}

function filter(body: WrittenNode | undefined, at: SourceLocation): ReturnType<Read> {
  const node = child(body, 'expression') ?? body;
  const text = textOf(node);
  if (text === undefined || text.trim() === '')
    return `${found(body)}; allowed: an expression such as 'col("price") > 3'`;
  const condition = parseCondition(text);
  return typeof condition === 'string'
    ? `of ${JSON.stringify(text)}: ${condition}`
    : [{ step: 'filter', text, condition, at }];
}

function extraction(body: WrittenNode | undefined, at: SourceLocation): ReturnType<Read> {
  const text = textOf(child(body, 'partition_format')) ?? textOf(body);
  if (text === undefined || text === '')
    return 'it names no format; write partition_format: {store}/{date}.csv below it';
  const format = text.replace(/^\/+/, '');
  const parsed = parsePathFormat(format);
  return typeof parsed === 'string' ? `of ${JSON.stringify(text)}: ${parsed}` : [{ step: 'extract', format, at }];
}

function conversions(body: WrittenNode | undefined, at: SourceLocation): ReturnType<Read> {
  const items = body?.kind === 'list' ? body.items : body === undefined ? [] : [body];
  const allowed = 'allowed: a list of maps with columns and column_type';
  if (items.length === 0) return `${found(body)}; ${allowed}`;
  const steps: TableStep[] = [];
  for (const item of items) {
    const columns = textsOf(child(item, 'columns'));
    const type = child(item, 'column_type');
    if (!columns || !type) return `line ${item.at().line ?? ''}: ${found(item)}; ${allowed}`;
    const to = conversionOf(type);
    if (typeof to === 'string') return `line ${type.at().line ?? ''}: ${to}`;
    const { line } = item.at();
    steps.push({ step: 'convert', columns, to, at: { ...at, ...(line !== undefined && { line }) } });
  }
  return steps;
}

const TYPES = new Map<string, Conversion['type']>([
  ...(['string', 'str'] as const).map((name) => [name, 'string'] as const),
  ...(['int', 'integer', 'long', 'int64'] as const).map((name) => [name, 'int'] as const),
  ...(['float', 'double', 'float64'] as const).map((name) => [name, 'float'] as const),
  ...(['boolean', 'bool'] as const).map((name) => [name, 'boolean'] as const),
  ['datetime', 'datetime'],
]);

function conversionOf(node: WrittenNode): Conversion | string {
  const [entry, ...more] = entriesOf(node);
  const type = TYPES.get(textOf(node) ?? (more.length === 0 ? (entry?.key ?? '') : ''));
  if (type === undefined) return `${found(node)}; allowed: string, int, float, boolean, datetime`;
  const options = entry?.value;
  if (type === 'datetime') return datetime(options);
  return type === 'boolean' ? truth(options) : { type };
}

function datetime(options: WrittenNode | undefined): Conversion | string {
  const node = child(options, 'formats') ?? (options?.kind === 'list' ? options : undefined);
  if (node === undefined) return { type: 'datetime', formats: [] };
  const formats = textsOf(node);
  if (!formats) return `${found(node)}; allowed: formats such as '%Y-%m-%d'`;
  const wrong = formats.map((format) => ({ format, why: wrongFormat(format) })).find(({ why }) => why !== undefined);
  return wrong ? `the format ${JSON.stringify(wrong.format)}: ${wrong.why ?? ''}` : { type: 'datetime', formats };
}

const MISMATCH = new Map<string, boolean | undefined>([
  ['true', true],
  ['false', false],
  ['error', undefined],
]);

function truth(options: WrittenNode | undefined): Conversion | string {
  const [trues, falses, mismatch] = ['true_values', 'false_values', 'mismatch_as'].map((key) => child(options, key));
  const trueValues = textsOf(trues);
  const falseValues = textsOf(falses);
  if ((trueValues === undefined) !== (falseValues === undefined) || (trues && !trueValues))
    return 'true_values and false_values are both given, as lists of texts, or none is';
  const asText = mismatch === undefined ? 'error' : (textOf(mismatch) ?? '').toLowerCase();
  if (!MISMATCH.has(asText)) return `${found(mismatch)}; allowed for mismatch_as: ${listed([...MISMATCH.keys()])}`;
  const otherwise = MISMATCH.get(asText);
  return {
    type: 'boolean',
    ...(trueValues && { trueValues }),
    ...(falseValues && { falseValues }),
    ...(otherwise !== undefined && { otherwise }),
  };
}

/** The steps that can be carried out on these inputs; what can't is told. */
export function fittingSteps(
  steps: readonly TableStep[],
  { inputs, cutting }: { readonly inputs: readonly InputSpec[]; readonly cutting: Cutting },
  problems: Problems,
): readonly TableStep[] {
  const keys = cutting.by === 'keys' ? cutting.keys : undefined;
  if (inputs.every(({ kind }) => kind === 'table')) {
    for (const step of steps) if (keys) tellUnnamed(step, keys, problems);
    return steps;
  }
  for (const { step, at } of steps)
    if (step !== 'extract' || !keys)
      problems.error('PR1036', 'an MLTable without a reader has neither rows nor columns to transform', {
        where: at,
        why: 'its items are whole files',
        next: 'add read_delimited, read_parquet or read_json_lines to its transformations, in front of the others',
      });
  return [];
}

/** By partition keys a mini-batch has rows of many files, and no one path. */
function tellUnnamed(step: TableStep, keys: readonly string[], problems: Problems): void {
  const why = 'a mini-batch by partition_keys holds rows of many files';
  const next = 'add it to partition_keys, or read it from the rows';
  if (step.step === 'path')
    problems.error('PR1036', 'include_path_column has no effect beside partition_keys', { where: step.at, why, next });
  if (step.step !== 'extract') return;
  const format = parsePathFormat(step.format);
  const names = typeof format === 'string' ? [] : format.names.filter((name) => !keys.includes(name));
  if (names.length > 0)
    problems.warning('PR1036', `${PARTITION}: ${listed(names)} of the paths ${names.length > 1 ? 'are' : 'is'} not added to the rows`, { where: step.at, why, next }); // prettier-ignore
}

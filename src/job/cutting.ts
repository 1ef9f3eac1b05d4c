/** Files or table, and how big a mini-batch is. Pure. */
import type { Cutting, InputSpec, Origin } from '../domain/plan.ts';
import { listInput } from './lists.ts';
import type { Problems } from './problems.ts';
import type { Settings } from './settings.ts';
import { checkOneFormat, isNamedTable, tableInput } from './table-format.ts';
import type { SeenPath, WrittenDialect } from './table-format.ts';

export const FILES_PER_MINI_BATCH = 10;
export const TABLE_BYTES_PER_MINI_BATCH = 1024 * 1024;

export interface CutInputs {
  readonly inputs: readonly InputSpec[];
  readonly cutting: Cutting;
  readonly sizeOrigin: Origin;
  readonly rowsOrigin: Origin;
}

/** Falling precedence of what can be written (`settled` order). */
const STRENGTH: readonly Origin[] = [
  'command line',
  'environment variable',
  'profile',
  'program arguments',
  'job file',
  'default',
];
const strength = (origin: Origin): number => STRENGTH.indexOf(origin);

/** @param keys win over sizes, which then only say whether the items are rows of tables */
export function cutInputs(
  paths: readonly SeenPath[],
  settings: Settings,
  problems: Problems,
  keys?: Extract<Cutting, { by: 'keys' }>,
): CutInputs {
  const { miniBatchSize: size, miniBatchRows: rows, inputFormat: format } = settings;
  const bothGiven = size.value !== undefined && rows.value !== undefined;
  if (bothGiven && strength(size.origin) === strength(rows.origin)) {
    problems.error('PR1012', 'mini_batch_size and mini_batch_rows are both given', {
      ...(rows.at && { where: rows.at }),
      why: 'a mini-batch is cut by one of them',
      next: 'remove one',
    });
  }
  const byRows =
    rows.value !== undefined && (!bothGiven || strength(rows.origin) < strength(size.origin)) ? rows.value : undefined;
  const sizeNow = byRows === undefined ? size.value : undefined;
  const wantsTable = byRows !== undefined || sizeNow?.hasUnit === true;
  const asFiles = format.value === 'files' || format.value === 'list';
  if (asFiles && wantsTable) {
    const culprit = byRows === undefined ? 'mini_batch_size with a unit' : 'mini_batch_rows';
    const where = byRows === undefined ? size.at : rows.at;
    problems.error('PR1012', `${culprit} is for tables, and input_format is ${format.value}`, {
      ...(where && { where }),
      next: 'give mini_batch_size as a number of files, or input_format csv',
    });
  }
  const named = paths.length > 0 && paths.every(isNamedTable);
  const asked = paths.some(({ query }) => query !== undefined);
  const table =
    asked ||
    (format.value === undefined ? wantsTable || ((keys !== undefined || sizeNow === undefined) && named) : !asFiles);
  const origins = {
    sizeOrigin: byRows === undefined ? size.origin : 'default',
    rowsOrigin: byRows === undefined ? 'default' : rows.origin,
  } as const;
  if (!table) {
    const dialect = dialectOf(settings, problems);
    const inputs = paths.map((input): InputSpec => {
      const { name, root, select } = input;
      return format.value === 'list'
        ? listInput(input, settings, dialect, problems)
        : { kind: 'files', name, root, select };
    });
    return { inputs, cutting: keys ?? { by: 'files', files: sizeNow?.amount ?? FILES_PER_MINI_BATCH }, ...origins };
  }
  const cutting: Cutting =
    keys ??
    (byRows === undefined
      ? { by: 'bytes', bytes: sizeNow?.amount ?? TABLE_BYTES_PER_MINI_BATCH }
      : { by: 'rows', rows: byRows });
  const dialect = dialectOf(settings, problems);
  const inputs = paths.map((input) => tableInput(input, format.value, dialect, problems));
  checkOneFormat(inputs, paths, problems);
  return { inputs, cutting, ...origins };
}

/** What is written about CSV; each character has one meaning. */
function dialectOf(settings: Settings, problems: Problems): WrittenDialect {
  const { csvDelimiter, csvHeader, csvQuote, csvEscape, csvComment, csvRagged, schemaDrift } = settings;
  const given = [csvDelimiter, csvQuote, csvEscape, csvComment].filter(
    ({ value }) => value !== undefined && value !== '',
  );
  const twice = given.find(({ value }, i) => given.findIndex((other) => other.value === value) < i);
  if (twice) {
    problems.error('PR1012', `the character ${JSON.stringify(twice.value)} is given two meanings in CSV`, {
      ...(twice.at && { where: twice.at }),
      next: 'give delimiter, quote, escape and comment characters of their own',
    });
  }
  const encoding = encodingOf(settings, problems);
  return {
    ...(encoding !== undefined && { encoding }),
    ...(csvDelimiter.value !== undefined && { delimiter: csvDelimiter.value }),
    ...(csvHeader.origin !== 'default' && csvHeader.value !== undefined && { header: csvHeader.value }),
    ...(csvQuote.origin !== 'default' && csvQuote.value !== undefined && { quote: csvQuote.value }),
    ...(csvEscape.value !== undefined && csvEscape.value !== '' && { escape: csvEscape.value }),
    ...(csvComment.value !== undefined && csvComment.value !== '' && { comment: csvComment.value }),
    ...((csvRagged.value === 'error' || csvRagged.value === 'skip') && { ragged: csvRagged.value }),
    ...(schemaDrift.value === 'by_name' && { drift: 'by_name' }),
  };
}

/** @returns undefined for UTF-8, which is read as it is */
function encodingOf({ tableEncoding: { value, at } }: Settings, problems: Problems): string | undefined {
  if (value === undefined) return undefined;
  try {
    const { encoding } = new TextDecoder(value);
    return encoding === 'utf-8' ? undefined : encoding;
  } catch {
    problems.error('PR1011', `${JSON.stringify(value)} is no encoding that is known here`, {
      ...(at && { where: at }),
      next: 'give a name of the WHATWG encoding standard, such as utf-8, windows-1252, iso-8859-2, utf-16le or shift_jis',
    });
    return undefined;
  }
}

/** Files or table, and how big a mini-batch is. Pure. */
import type { CsvDialect, Cutting, InputSpec, Origin } from '../domain/plan.ts';
import type { Problems } from './problems.ts';
import type { SelectedPath } from './selection.ts';
import type { Settings } from './settings.ts';

export const FILES_PER_MINI_BATCH = 10;
export const TABLE_BYTES_PER_MINI_BATCH = 1024 * 1024;
/** Names of tables that later versions read. */
const OTHER_TABLES = /\.(parquet|pq|jsonl|ndjson|json|xlsx?|avro|orc|feather|arrow|gz|bz2|zip|zst|xz)$/i;
const CSV = /\.csv$/i;
const TSV = /\.tsv$/i;

/** A selected path with the first names of its folder, where it is one. */
export interface SeenPath extends SelectedPath {
  readonly names: readonly string[];
}
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

export function cutInputs(paths: readonly SeenPath[], settings: Settings, problems: Problems): CutInputs {
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
  if (format.value === 'files' && wantsTable) {
    const culprit = byRows === undefined ? 'mini_batch_size with a unit' : 'mini_batch_rows';
    const where = byRows === undefined ? size.at : rows.at;
    problems.error('PR1012', `${culprit} is for tables, and input_format is files`, {
      ...(where && { where }),
      next: 'give mini_batch_size as a number of files, or input_format csv',
    });
  }
  const allCsv = paths.length > 0 && paths.every((input) => CSV.test(nameOf(input)) || TSV.test(nameOf(input)));
  const table =
    format.value === 'csv' || (format.value === undefined && (wantsTable || (sizeNow === undefined && allCsv)));
  const origins = {
    sizeOrigin: byRows === undefined ? size.origin : 'default',
    rowsOrigin: byRows === undefined ? 'default' : rows.origin,
  } as const;
  if (!table) {
    const inputs = paths.map(({ name, root, select }): InputSpec => ({ kind: 'files', name, root, select }));
    return { inputs, cutting: { by: 'files', files: sizeNow?.amount ?? FILES_PER_MINI_BATCH }, ...origins };
  }
  const cutting: Cutting =
    byRows === undefined
      ? { by: 'bytes', bytes: sizeNow?.amount ?? TABLE_BYTES_PER_MINI_BATCH }
      : { by: 'rows', rows: byRows };
  return { inputs: paths.map((input) => tableInput(input, problems)), cutting, ...origins };
}

/** The end of a path that tells what its files are called; nothing for a folder. */
function nameOf({ select }: SelectedPath): string {
  return select.by === 'one' ? select.file : select.by === 'glob' ? select.pattern : '';
}

function tableInput(input: SeenPath, problems: Problems): InputSpec {
  const { name, root, select } = input;
  const other =
    select.by === 'all'
      ? input.names.find((file) => OTHER_TABLES.test(file))
      : OTHER_TABLES.test(nameOf(input))
        ? nameOf(input)
        : undefined;
  const csvNames = input.names.filter((file) => CSV.test(file));
  const tsvNames = input.names.filter((file) => TSV.test(file));
  if (other !== undefined && csvNames.length + tsvNames.length === 0) {
    problems.error('PR3105', `the input ${input.text} is no CSV table`, {
      where: input.at,
      why: `found ${other}; tables are read from .csv and .tsv for now, other formats come later`,
      next: 'convert it to .csv, or give mini_batch_size as a number of files',
    });
  }
  if (select.by !== 'all') return { kind: 'table', name, root, select, csv: dialect(TSV.test(nameOf(input))) };
  if (csvNames.length + tsvNames.length === 0) return { kind: 'table', name, root, select, csv: dialect(false) };
  // One folder, one dialect: what is not of the kind that was found would be read wrongly.
  const tabs = csvNames.length === 0;
  const kept = new Set(tabs ? tsvNames : csvNames);
  const leftOut = input.names.filter((file) => !kept.has(file) && /\.[A-Za-z0-9]+$/.test(file));
  const kind = tabs ? '.tsv' : '.csv';
  if (leftOut.length > 0)
    problems.warning('PR3106', `only the ${kind} files of ${input.text} are read`, {
      where: input.at,
      why: `the folder also holds ${leftOut[0] ?? ''}${leftOut.length > 1 ? ` and ${leftOut.length - 1} more` : ''}`,
      next: 'name the files with a pattern, such as data/*.csv, to choose others',
    });
  return {
    kind: 'table',
    name,
    root,
    select: { by: 'glob', pattern: tabs ? '**/*.[tT][sS][vV]' : '**/*.[cC][sS][vV]' },
    csv: dialect(tabs),
  };
}

const dialect = (tabs: boolean): CsvDialect => ({ delimiter: tabs ? '\t' : ',', header: true });

/** What kind of table the files of an input are, by their names. Pure. */
import type { CsvDialect, InputSpec, QuerySpec, SchemaDrift, TableFormat } from '../domain/plan.ts';
import type { Problems } from './problems.ts';
import type { SelectedPath } from './selection.ts';

/** A selected path with the first names of its folder, where it is one. */
export interface SeenPath extends SelectedPath {
  readonly names: readonly string[];
  /** To be put to it. */
  readonly query?: QuerySpec;
}

type TableInput = InputSpec & { readonly kind: 'table' };

interface Kind {
  /** As `input_format` says it. */
  readonly format: TableFormat['format'];
  readonly name: RegExp;
  /** The files of a folder. */
  readonly pattern: string;
  /** For a person. */
  readonly extension: string;
  readonly table: TableFormat;
}

const csv = (delimiter: string): TableFormat => ({ format: 'csv', delimiter, header: true });
/** In the order in which they are looked for in a folder. */
const KINDS: readonly Kind[] = [
  {
    format: 'csv',
    name: /\.csv(?:\.gz|\.zst)?$/i,
    pattern: '**/*.[cC][sS][vV]{,.[gG][zZ],.[zZ][sS][tT]}',
    extension: '.csv',
    table: csv(','),
  },
  {
    format: 'csv',
    name: /\.tsv(?:\.gz|\.zst)?$/i,
    pattern: '**/*.[tT][sS][vV]{,.[gG][zZ],.[zZ][sS][tT]}',
    extension: '.tsv',
    table: csv('\t'),
  },
  {
    format: 'parquet',
    name: /\.(?:parquet|pq)$/i,
    pattern: '**/*.{[pP][aA][rR][qQ][uU][eE][tT],[pP][qQ]}',
    extension: '.parquet',
    table: { format: 'parquet' },
  },
  {
    format: 'arrow',
    name: /\.(?:arrow|feather)$/i,
    pattern: '**/*.{[aA][rR][rR][oO][wW],[fF][eE][aA][tT][hH][eE][rR]}',
    extension: '.arrow',
    table: { format: 'arrow' },
  },
  {
    format: 'jsonl',
    name: /\.(?:jsonl|ndjson)(?:\.gz|\.zst)?$/i,
    pattern: '**/*.{[jJ][sS][oO][nN][lL],[nN][dD][jJ][sS][oO][nN]}{,.[gG][zZ],.[zZ][sS][tT]}',
    extension: '.jsonl',
    table: { format: 'jsonl' },
  },
];
/** Names of tables that later versions read. */
const OTHER_TABLES = /\.(?:json|xlsx?|avro|orc|arrows|gz|bz2|zip|zst|xz)$/i;

/** Whether the name of the path alone says that it is a table. */
export function isNamedTable(path: SeenPath): boolean {
  return KINDS.some(({ name }) => name.test(nameOf(path)));
}

/** What the settings say of CSV; what they don't say is as the name has it. */
export type WrittenDialect = Partial<CsvDialect> & SchemaDrift;

/** @param wanted what `input_format` says; undefined: as the names say */
export function tableInput(
  input: SeenPath,
  wanted: string | undefined,
  dialect: WrittenDialect,
  problems: Problems,
): TableInput {
  if (input.query) return queryInput(input, input.query, dialect);
  const found = namedTable(input, wanted, problems);
  const { table } = found;
  if (table.format === 'csv') return { ...found, table: { ...table, ...dialect } };
  if (table.format === 'arrow' && dialect.drift)
    problems.error('PR1012', 'schema_drift is by_name, and the input is Arrow', {
      where: input.at,
      why: 'Arrow files of one table have the same columns',
      next: 'write the files with the same columns, or as Parquet; or leave schema_drift out',
    });
  if (table.format === 'parquet' && dialect.drift) return { ...found, table: { ...table, drift: dialect.drift } };
  if (table.format !== 'jsonl' || dialect.encoding === undefined) return found;
  return { ...found, table: { ...table, encoding: dialect.encoding } };
}

/** DuckDB writes Parquet, which knows all its types; the rows of SQLite have the types that their values have. */
function queryInput({ name, root, select }: SeenPath, query: QuerySpec, { drift }: SchemaDrift): TableInput {
  const table: TableFormat =
    query.engine === 'duckdb' ? { format: 'parquet', ...(drift && { drift }) } : { format: 'jsonl' };
  return { kind: 'table', name, root, select, table, query };
}

function namedTable(input: SeenPath, wanted: string | undefined, problems: Problems): TableInput {
  const { name, root, select } = input;
  const kinds = KINDS.filter(({ format }) => wanted === undefined || format === wanted);
  const plain = kinds[0]?.table ?? csv(',');
  if (select.by !== 'all') {
    const kind = kinds.find((each) => each.name.test(nameOf(input)));
    if (!kind && wanted === undefined && OTHER_TABLES.test(nameOf(input))) refuse(input, nameOf(input), problems);
    return { kind: 'table', name, root, select, table: kind?.table ?? plain };
  }
  // One folder, one kind: what is not of the kind that was found would be read wrongly.
  const kind = kinds.find((each) => input.names.some((file) => each.name.test(file)));
  if (!kind) {
    const other = input.names.find((file) => OTHER_TABLES.test(file));
    if (other !== undefined && wanted === undefined) refuse(input, other, problems);
    return { kind: 'table', name, root, select, table: plain };
  }
  tellLeftOut(input, kind, problems);
  return { kind: 'table', name, root, select: { by: 'glob', pattern: kind.pattern }, table: kind.table };
}

/** All tables of a run have one schema, and so one format. */
export function checkOneFormat(inputs: readonly TableInput[], paths: readonly SeenPath[], problems: Problems): void {
  const [first] = inputs;
  const at = inputs.findIndex(({ table }) => table.format !== first?.table.format);
  const other = inputs[at];
  if (!first || !other) return;
  problems.error('PR3107', 'the inputs are tables of different formats', {
    ...(paths[at] && { where: paths[at].at }),
    why: `${paths[0]?.text ?? ''} is ${kindOf(first)}, ${paths[at]?.text ?? ''} is ${kindOf(other)}`,
    next: 'give each format to a run of its own',
  });
}

const kindOf = ({ query, table }: TableInput): string => query?.engine ?? table.format;

function refuse(input: SeenPath, found: string, problems: Problems): void {
  problems.error('PR3105', `the input ${input.text} is no table that can be read`, {
    where: input.at,
    why: `found ${found}; tables are read from ${KINDS.map(({ extension }) => extension).join(', ')}`,
    next: 'convert it to one of these, or give mini_batch_size as a number of files',
  });
}

function tellLeftOut(input: SeenPath, kind: Kind, problems: Problems): void {
  const leftOut = input.names.filter((file) => !kind.name.test(file) && /\.[A-Za-z0-9]+$/.test(file));
  if (leftOut.length === 0) return;
  problems.warning('PR3106', `only the ${kind.extension} files of ${input.text} are read`, {
    where: input.at,
    why: `the folder also holds ${leftOut[0] ?? ''}${leftOut.length > 1 ? ` and ${leftOut.length - 1} more` : ''}`,
    next: 'name the files with a pattern, such as data/*.csv, to choose others',
  });
}

/** The end of a path that tells what its files are called; nothing for a folder. */
function nameOf({ select }: SelectedPath): string {
  return select.by === 'one' ? select.file : select.by === 'glob' ? select.pattern : '';
}

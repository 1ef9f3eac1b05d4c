import type { TableCell, TableMiniBatch, TableRow } from '../domain/entry.ts';
import type { Column } from '../domain/plan.ts';
import { tableOf } from '../worker/arrowtable.ts';

/** The table a worker would hand over for these rows; column types follow from the values. */
export function tableOfRows(rows: readonly TableRow[]): TableMiniBatch {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = names.map((name) => rows.map((row) => row[name] ?? null));
  const columns = names.map((name, index): Column => ({ name, type: typeOf(cells[index] ?? []) }));
  const texts = cells.map((column, index) => (columns[index]?.type === 'string' ? column.map(textOf) : column));
  return tableOf(columns, texts);
}

/** As for the columns of a file: whole numbers with gaps become float64. */
function typeOf(cells: readonly TableCell[]): Column['type'] {
  const present = cells.filter((cell) => cell !== null);
  const complete = present.length === cells.length;
  if (present.length === 0) return 'float64';
  if (present.every((cell) => typeof cell === 'boolean')) return complete ? 'bool' : 'nullable-bool';
  if (present.every((cell) => typeof cell === 'bigint' || Number.isSafeInteger(cell)) && complete) return 'int64';
  return present.every((cell) => typeof cell === 'number') ? 'float64' : 'string';
}

function textOf(cell: TableCell): TableCell {
  if (cell === null || typeof cell === 'string') return cell;
  return typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
}

import { displayWidth, padEnd, padStart } from './width.ts';

export interface TableColumn {
  readonly title: string;
  readonly align?: 'right';
}

/** Rows under their titles, columns as wide as their widest cell; the last column is not filled up. Cells must be safe text. */
export function tableLines(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = columns.map((column, place) =>
    Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[place] ?? ''))),
  );
  const lineOfCells = (cells: readonly string[]): string =>
    columns
      .map(({ align }, place) => {
        const cell = cells[place] ?? '';
        if (align === 'right') return padStart(cell, widths[place] ?? 0);
        return place === columns.length - 1 ? cell : padEnd(cell, widths[place] ?? 0);
      })
      .join('  ')
      .trimEnd();
  return [lineOfCells(columns.map((column) => column.title)), ...rows.map(lineOfCells)];
}

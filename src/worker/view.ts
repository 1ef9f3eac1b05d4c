/** What an MLTable makes of the columns that were read: some are converted, others stand in the path of the file. */
import { convert, isFloat } from '../domain/convert.ts';
import type { TableCell } from '../domain/entry.ts';
import type { Column } from '../domain/plan.ts';
import { SliceError, pathValue } from './slice.ts';
import type { RowsSource } from './slice.ts';

/** @param from row of the slice that the first of the cells belongs to. @throws SliceError */
export function convertedCells(column: Column, cells: readonly TableCell[], from: number): readonly TableCell[] {
  const { convert: conversion, hidden, name, type } = column;
  if (!conversion || hidden === true) return cells;
  const { to } = conversion;
  const mayLack = type !== 'int64' && type !== 'bool';
  return cells.map((cell, i) => {
    const value = convert(cell, to, isFloat(conversion.from)) as TableCell | undefined;
    if (value !== undefined && (value !== null || mayLack || column.missing === true)) return value;
    throw new SliceError(`column ${name} holds ${shown(cell)}, which cannot be converted to ${to.type}`, from + i);
  });
}

/** Columns that the path names, each with its one value. @throws SliceError */
export function constantsOf(
  columns: readonly Column[],
  source: RowsSource,
): readonly (readonly [column: Column, value: TableCell])[] {
  return columns
    .filter(({ path, hidden }) => path === true && hidden !== true)
    .map((column) => [column, convertedCells(column, [pathValue(source, column.name)], 0)[0] ?? null]);
}

function shown(cell: TableCell): string {
  const text = typeof cell === 'bigint' ? String(cell) : JSON.stringify(cell);
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}

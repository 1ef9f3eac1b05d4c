import { stripVTControlCharacters } from 'node:util';
import { displayWidth } from './width.ts';

const ESC = '\x1b';

/** Rows that lines take on a terminal of so many columns: more than one each where it became narrower since. */
export function rowsTaken(lines: readonly string[], columns: number): number {
  return lines.reduce((rows, line) => {
    const width = displayWidth(stripVTControlCharacters(line));
    return rows + Math.max(1, Math.ceil(width / Math.max(1, columns)));
  }, 0);
}

/**
 * What to write so that `lines` stand where `before` stood, or below where nothing stood. The cursor is never hidden,
 * so that nothing has to be restored however the process ends.
 */
export function frame(before: readonly string[], lines: readonly string[], columns: number): string {
  const shown = lines.map((line) => `${line}\n`).join('');
  if (before.length === 0) return shown;
  return `\r${ESC}[${rowsTaken(before, columns)}A${ESC}[0J${shown}`;
}

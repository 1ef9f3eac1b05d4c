import type { RunFailure } from '../../domain/failure.ts';
import { counted, cut, safeText } from './words.ts';

type InputDiffers = Extract<RunFailure, { kind: 'input-differs' }>;
type Files = InputDiffers['added'];

const PATH_CHARS_MAX = 200;

/** `2 files were added, 1 file was removed`. A list may also name the same ones in another order. */
export function differenceText({ added, removed }: Pick<InputDiffers, 'added' | 'removed'>): string {
  const parts = [
    ...(added.count > 0 ? [`${filesWere(added.count)} added`] : []),
    ...(removed.count > 0 ? [`${filesWere(removed.count)} removed`] : []),
  ];
  return parts.length > 0 ? parts.join(', ') : 'its files come in another order';
}

const filesWere = (count: number): string => `${counted(count, 'file')} ${count === 1 ? 'was' : 'were'}`;

/** `added: /data/a, /data/b and 3 more; removed: /data/c`. */
export function differenceExamples({ added, removed }: Pick<InputDiffers, 'added' | 'removed'>): string {
  const parts = [
    ...(added.count > 0 ? [`added: ${someFiles(added)}`] : []),
    ...(removed.count > 0 ? [`removed: ${someFiles(removed)}`] : []),
  ];
  return parts.join('; ');
}

/** `/data/a, /data/b and 3 more`. */
export function someFiles({ count, examples }: Files): string {
  const shown = examples.map((path) => cut(safeText(path), PATH_CHARS_MAX)).join(', ');
  return count > examples.length ? `${shown} and ${counted(count - examples.length, 'more', 'more')}` : shown;
}

/** Warnings for keys that nobody reads: misspelt, misplaced, or from another version. Pure. */
import type { SourceLocation } from '../domain/problem.ts';
import { nearest, toSnake } from '../domain/nearest.ts';
import type { Problems } from './problems.ts';
import type { MapShape, Shape } from './shape.ts';
import { knownPlaces } from './shape.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { child, textOf } from './written.ts';

/** What is known of a kind of file. */
export interface KeyBook {
  /** Where a key belongs: `append_row_to` to `task.append_row_to`. */
  readonly places: ReadonlyMap<string, string>;
  /** Completes "it belongs under task ...". */
  readonly whose: string;
  /** Completes "it belongs directly". */
  readonly top: string;
  /** Where its keys are explained. */
  readonly page: string;
}

const JOB_BOOK: KeyBook = {
  places: knownPlaces(),
  whose: ' of the parallel job',
  top: 'under the parallel job',
  page: 'docs/reference/settings.md',
};

/** Walks the tree along its shape; what the shape doesn't know is reported, with the place or name it was meant for. */
export function warnOfUnknownKeys(tree: WrittenNode, shape: MapShape, problems: Problems, book = JOB_BOOK): void {
  if (tree.kind === 'map') walk(tree, shape, '', problems, book);
}

function walk(tree: WrittenMap, general: MapShape, path: string, problems: Problems, book: KeyBook): void {
  const shape = general.byType?.get(textOf(child(tree, 'type')) ?? '') ?? general;
  for (const entry of tree.entries.values()) {
    const inner: Shape | undefined = shape.keys.get(entry.key) ?? shape.each;
    const here = path === '' ? entry.key : `${path}.${entry.key}`;
    if (inner === undefined) warn(entry, here, shape, problems, book);
    else if (inner.kind === 'map' && entry.value.kind === 'map') walk(entry.value, inner, here, problems, book);
  }
}

function warn(entry: WrittenEntry, path: string, shape: MapShape, problems: Problems, book: KeyBook): void {
  const { places, page } = book;
  const where = { ...entry.keyAt(), keyPath: path };
  const place = places.get(toSnake(entry.key));
  const sibling = nearest(entry.key, shape.keys.keys());
  // A key spelt right in the wrong place beats one spelt nearly right in this place, unless only its spelling differs.
  if (place !== undefined && sibling !== toSnake(entry.key)) {
    warnOfMisplaced(entry.key, place, where, problems, book);
    return;
  }
  const meant = sibling ?? nearest(entry.key, places.keys());
  const there = sibling === undefined && meant !== undefined ? places.get(meant) : undefined;
  const hint = there === undefined || there === meant ? '' : ` (at ${there})`;
  const next = meant === undefined ? `remove it, or look it up in ${page}` : `did you mean ${meant}${hint}?`;
  problems.warning('PR1013', `the key ${entry.key} is not known and has no effect`, { where, next });
}

/** @param place `task.append_row_to`, or where and how a flag is written */
function warnOfMisplaced(
  key: string,
  place: string,
  where: SourceLocation,
  problems: Problems,
  { whose, top }: KeyBook,
): void {
  const cut = place.lastIndexOf('.');
  const isFlag = place.includes('--');
  if (!isFlag && place.slice(cut + 1) !== toSnake(key)) {
    problems.warning('PR1014', `the key ${key} has another name in this format`, {
      where,
      why: 'it is a name of version 1, or of a flag',
      next: `write ${place} instead`,
    });
    return;
  }
  const home = isFlag ? `in ${place}` : cut < 0 ? `directly ${top}` : `under ${place.slice(0, cut)}${whose}`;
  problems.warning('PR1014', `the key ${key} has no effect in this place`, {
    where,
    why: `it belongs ${home}`,
    next: 'move it there',
  });
}

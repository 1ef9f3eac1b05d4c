/** A job file as it was written: a tree of maps, lists and scalars, each of which knows its place. Stage 1 of 3. */
import type { Origin } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { Scalar } from './values.ts';
import { describeFound } from './values.ts';

interface Placed {
  readonly origin: Origin;
  /** Place of the value; a function, since a line is looked up only where a problem needs it. */
  readonly at: () => SourceLocation;
}
export interface WrittenScalar extends Placed {
  readonly kind: 'scalar';
  readonly value: Scalar;
  /** Numbers and booleans as they were typed (`0.10`, `1e3`); of texts the text. */
  readonly text: string;
  /** Place of a part of the value, such as one expression in a text of several lines. */
  readonly locate: (part: string) => SourceLocation;
}
export interface WrittenList extends Placed {
  readonly kind: 'list';
  readonly items: readonly WrittenNode[];
}
export interface WrittenMap extends Placed {
  readonly kind: 'map';
  /** A Map, so that a key called `__proto__` is a key like any other. */
  readonly entries: ReadonlyMap<string, WrittenEntry>;
}
export interface WrittenEntry {
  readonly key: string;
  readonly keyAt: () => SourceLocation;
  readonly value: WrittenNode;
}
export type WrittenNode = WrittenScalar | WrittenList | WrittenMap;

/** @returns the value below a dotted path of keys, undefined where there is none. */
export function lookUp(node: WrittenNode | undefined, path: string): WrittenNode | undefined {
  let here = node;
  for (const key of path.split('.')) {
    if (here?.kind !== 'map') return undefined;
    here = here.entries.get(key)?.value;
  }
  return here;
}

export function child(node: WrittenNode | undefined, key: string): WrittenNode | undefined {
  return node?.kind === 'map' ? node.entries.get(key)?.value : undefined;
}

/** Text of a scalar that is a text, undefined for everything else. */
export function textOf(node: WrittenNode | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

/** Entries of a map; of nothing or of an empty key (`inputs:`) none. */
export function entriesOf(node: WrittenNode | undefined): readonly WrittenEntry[] {
  return node?.kind === 'map' ? [...node.entries.values()] : [];
}

export const isNull = (node: WrittenNode | undefined): boolean => node?.kind === 'scalar' && node.value === null;

/** A value that didn't come from a file. */
export function scalarFrom(value: Scalar, origin: Origin, at: SourceLocation): WrittenScalar {
  return { kind: 'scalar', value, text: String(value ?? ''), origin, at: () => at, locate: () => at };
}

/** Completes "found ...". */
export function describeNode(node: WrittenNode): string {
  return node.kind === 'map' ? 'a map' : node.kind === 'list' ? 'a list' : describeFound(node.value);
}

/** What forms of job file are made into a v2 pipeline with. Pure. */
import { nearest } from '../domain/nearest.ts';
import type { Problems } from './problems.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { isNull, lookUp, scalarFrom } from './written.ts';

/** A map under construction. */
export class Builder {
  readonly #like: WrittenMap;
  readonly #entries = new Map<string, WrittenEntry | Builder>();

  /** @param like what it is made of */
  constructor(like: WrittenMap) {
    this.#like = like;
  }

  text(value: string): WrittenNode {
    return scalarFrom(value, this.#like.origin, this.#like.at());
  }

  /** @param path with full stops for maps within; the last of several values counts */
  put(path: string, value: WrittenNode): this {
    const cut =
      path.startsWith('task.') || path.startsWith('resources.') || path.startsWith('retry_settings.')
        ? path.indexOf('.')
        : -1;
    if (cut < 0) {
      this.#entries.set(path, { key: path, keyAt: value.at, value });
      return this;
    }
    const key = path.slice(0, cut);
    const inner = this.#entries.get(key);
    const map = inner instanceof Builder ? inner : new Builder(this.#like);
    this.#entries.set(key, map);
    map.put(path.slice(cut + 1), value);
    return this;
  }

  /** @param from path in another map; nothing happens where it has none */
  move(root: WrittenMap, from: string, to: string): void {
    const value = lookUp(root, from);
    if (value !== undefined && !isNull(value)) this.put(to, value);
  }

  map(): WrittenMap {
    const entries = [...this.#entries].map(([key, entry]): [string, WrittenEntry] => {
      if (!(entry instanceof Builder)) return [key, entry];
      return [key, { key, keyAt: this.#like.at, value: entry.map() }];
    });
    return { kind: 'map', entries: new Map(entries), origin: this.#like.origin, at: this.#like.at };
  }
}

/** @param what completes "is not known in" */
export function warnOfOthers(map: WrittenMap, known: readonly string[], what: string, problems: Problems): void {
  for (const { key, keyAt } of map.entries.values()) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    problems.warning('PR1013', `the key ${key} is not known in ${what} and has no effect`, {
      where: keyAt(),
      next: meant === undefined ? 'remove it, or look it up in docs/reference/settings.md' : `did you mean ${meant}?`,
    });
  }
}

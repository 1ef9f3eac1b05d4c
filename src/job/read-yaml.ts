/** YAML text to a tree with places. Pure: the caller reads the file. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node, Pair, Scalar as YamlScalar } from 'yaml';
import type { Origin } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { Problems } from './problems.ts';
import type { Scalar } from './values.ts';
import type { WrittenEntry, WrittenNode } from './written.ts';

/** Larger files are no job files; reading them would only look like hanging. */
export const YAML_BYTES_MAX = 4 * 1024 * 1024;
const EXCERPT_LENGTH_MAX = 400;
const UNDERLINE_LENGTH_MAX = 80;

/** @returns undefined where nothing can be made of the text; its problems are reported then. An empty file is `null`. */
export function readYaml(
  text: string,
  file: string,
  problems: Problems,
  origin: Origin = 'job file',
): WrittenNode | undefined {
  const reader = new Reader(text, file, problems, origin);
  try {
    return reader.read();
  } catch (error) {
    // Nesting beyond the stack; nothing else of the parser throws.
    problems.error('PR1002', 'the file cannot be read as YAML', {
      where: { file },
      why: error instanceof RangeError ? 'it is nested too deeply' : String(error),
    });
    return undefined;
  }
}

class Reader {
  readonly #text: string;
  readonly #file: string;
  readonly #problems: Problems;
  readonly #origin: Origin;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;
  /** An anchor is converted once, however often it is used: a bomb of aliases stays as small as its text. */
  readonly #converted = new Map<Node, WrittenNode>();
  readonly #underWay = new Set<Node>();

  constructor(text: string, file: string, problems: Problems, origin: Origin) {
    this.#text = text;
    this.#file = file;
    this.#problems = problems;
    this.#origin = origin;
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: true,
      merge: true,
      // Not `silent`: that would also hide a second document.
      logLevel: 'error',
    });
  }

  read(): WrittenNode | undefined {
    let readable = true;
    for (const error of this.#document.errors) {
      const duplicate = error.code === 'DUPLICATE_KEY';
      if (!duplicate) readable = false;
      this.#problems.error(
        'PR1002',
        duplicate ? 'the same key stands twice in one map' : 'the file is not valid YAML',
        {
          where: this.#place(error.pos[0], error.pos[1], ''),
          why: duplicate ? 'only one of the two values could count' : error.message,
          next: duplicate ? 'remove one of them' : 'check indentation, quotes and brackets around this place',
        },
      );
    }
    if (!readable) return undefined;
    const root = this.#document.contents;
    if (root === null)
      return {
        kind: 'scalar',
        value: null,
        text: '',
        origin: this.#origin,
        at: () => ({ file: this.#file, line: 1 }),
        locate: () => ({ file: this.#file, line: 1 }),
      };
    return this.#convert(root, '');
  }

  #convert(node: Node, path: string): WrittenNode {
    const target = isAlias(node) ? node.resolve(this.#document) : node;
    if (target === undefined) {
      this.#problems.error('PR1002', 'an alias refers to an anchor that does not exist', {
        where: this.#placeOf(node, path),
      });
      return this.#nothing(node, path);
    }
    const known = this.#converted.get(target);
    if (known !== undefined) return known;
    if (this.#underWay.has(target)) {
      this.#problems.error('PR1002', 'an alias refers to the value it is part of', {
        where: this.#placeOf(node, path),
        next: 'write the value out',
      });
      return this.#nothing(node, path);
    }
    this.#underWay.add(target);
    const written = this.#convertTarget(target, path);
    this.#underWay.delete(target);
    if (target.anchor !== undefined) this.#converted.set(target, written);
    return written;
  }

  #convertTarget(node: Node, path: string): WrittenNode {
    const at = (): SourceLocation => this.#placeOf(node, path);
    if (isMap(node)) return { kind: 'map', entries: this.#entries(node.items, path), origin: this.#origin, at };
    if (isSeq(node)) {
      const items = node.items.map((item, i) => this.#convert(item as Node, `${path}[${i}]`));
      return { kind: 'list', items, origin: this.#origin, at };
    }
    if (isScalar(node)) return this.#scalar(node, path);
    return this.#nothing(node, path);
  }

  #scalar(node: YamlScalar, path: string): WrittenNode {
    const value = toScalar(node.value);
    const text = typeof value === 'string' ? value : (node.source ?? String(value ?? ''));
    const locate = (part: string): SourceLocation => {
      const [from, to] = node.range ?? [0, 0];
      const found = this.#text.indexOf(part, from);
      return found >= 0 && found < to ? this.#place(found, found + part.length, path) : this.#placeOf(node, path);
    };
    return { kind: 'scalar', value, text, origin: this.#origin, at: () => this.#placeOf(node, path), locate };
  }

  #entries(pairs: readonly Pair[], path: string): ReadonlyMap<string, WrittenEntry> {
    const entries = new Map<string, WrittenEntry>();
    for (const pair of pairs) {
      const keyNode = pair.key as Node;
      if (!isScalar(keyNode)) {
        this.#problems.error('PR1002', 'a key of a map is not a plain word', {
          where: this.#placeOf(keyNode, path),
          next: 'put quotes around it if it is meant as text',
        });
        continue;
      }
      // The parser has a symbol for `<<`.
      const key = typeof keyNode.value === 'symbol' ? '<<' : String(keyNode.value);
      const keyPath = path === '' ? key : `${path}.${key}`;
      const value = pair.value === null ? this.#nothing(keyNode, keyPath) : this.#convert(pair.value as Node, keyPath);
      if (key === '<<' && this.#merge(entries, value)) continue;
      entries.set(key, { key, keyAt: () => this.#placeOf(keyNode, keyPath), value });
    }
    return entries;
  }

  /** `<<: *defaults`: keys of the map itself win, wherever they stand. */
  #merge(entries: Map<string, WrittenEntry>, value: WrittenNode): boolean {
    const sources = value.kind === 'list' ? value.items : [value];
    if (sources.some((source) => source.kind !== 'map')) return false;
    for (const source of sources) {
      if (source.kind !== 'map') continue;
      for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
    return true;
  }

  #nothing(node: Node, path: string): WrittenNode {
    const at = (): SourceLocation => this.#placeOf(node, path);
    return { kind: 'scalar', value: null, text: '', origin: this.#origin, at, locate: at };
  }

  #placeOf(node: Node, path: string): SourceLocation {
    const range = node.range;
    return range ? this.#place(range[0], range[1], path) : { file: this.#file, keyPath: path };
  }

  #place(from: number, to: number, keyPath: string): SourceLocation {
    const { line, col } = this.#lines.linePos(from);
    const start = this.#lines.lineStarts[line - 1] ?? 0;
    const end = this.#text.indexOf('\n', start);
    const excerpt = this.#text
      .slice(start, end < 0 ? undefined : end)
      .replace(/\r$/, '')
      .slice(0, EXCERPT_LENGTH_MAX);
    const length = Math.max(1, Math.min(to - from, excerpt.length - (col - 1), UNDERLINE_LENGTH_MAX));
    return { file: this.#file, line, column: col, length, excerpt, ...(keyPath === '' ? {} : { keyPath }) };
  }
}

/** Dates and the like don't exist in YAML 1.2's core; whatever is no leaf of ours becomes its text. */
function toScalar(value: unknown): Scalar {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return typeof value === 'bigint' ? Number(value) : JSON.stringify(value);
}

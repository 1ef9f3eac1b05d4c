/** `${{inputs.x}}` and `$[[--flag ${{inputs.opt}}]]` in the texts of a job file. Pure. */
import type { SourceLocation } from '../domain/problem.ts';
import { nearest } from '../domain/nearest.ts';
import type { Problems } from './problems.ts';
import { listed } from './problems.ts';
import type { Scalar } from './values.ts';
import type { WrittenScalar } from './written.ts';

const EXPRESSION = /\$\{\{\s*(.*?)\s*\}\}/s;
const WHOLE_EXPRESSION = /^\s*\$\{\{\s*([^{}]*?)\s*\}\}\s*$/;

/** What a name stands for. `text` is what it becomes inside a longer text; `value` keeps the type where it stands alone. */
export type Meaning =
  | { readonly kind: 'value'; readonly text: string; readonly value: Scalar }
  /** An optional input that was not given. */
  | { readonly kind: 'absent' }
  /** Reported where it is defined; whoever uses it adds no second complaint. */
  | { readonly kind: 'broken' };

/** Meanings of all names a job may use. */
export type Names = ReadonlyMap<string, Meaning>;

export type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'expression'; readonly name: string; /** As it stands in the file. */ readonly source: string };
export type TemplatePart =
  Piece | { readonly kind: 'group'; readonly source: string; readonly pieces: readonly Piece[] };

/** @returns `parent.inputs.x` of a text that is one expression and nothing else. */
export function wholeExpression(text: string): string | undefined {
  return WHOLE_EXPRESSION.exec(text)?.[1];
}

/** Cuts a text into literal text, expressions and optional groups. An unclosed `$[[` is literal text. */
export function parseTemplate(text: string): readonly TemplatePart[] {
  const parts: TemplatePart[] = [];
  let rest = text;
  for (;;) {
    const from = rest.indexOf('$[[');
    const to = from < 0 ? -1 : rest.indexOf(']]', from);
    if (to < 0) return [...parts, ...parsePieces(rest)];
    parts.push(...parsePieces(rest.slice(0, from)));
    parts.push({ kind: 'group', source: rest.slice(from, to + 2), pieces: parsePieces(rest.slice(from + 3, to)) });
    rest = rest.slice(to + 2);
  }
}

function parsePieces(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let rest = text;
  for (let match = EXPRESSION.exec(rest); match !== null; match = EXPRESSION.exec(rest)) {
    if (match.index > 0) pieces.push({ kind: 'text', text: rest.slice(0, match.index) });
    pieces.push({ kind: 'expression', name: match[1] ?? '', source: match[0] });
    rest = rest.slice(match.index + match[0].length);
  }
  if (rest !== '') pieces.push({ kind: 'text', text: rest });
  return pieces;
}

/** A piece with its expression replaced; `fixed` marks text that must not be split or unquoted any more. */
export interface ResolvedPiece {
  readonly text: string;
  readonly fixed: boolean;
  /** It stands for nothing that could be used; its problem is reported. */
  readonly failed?: boolean;
}

/** Replaces all expressions; groups around an absent input vanish. Unknown names are reported with their place. */
export function resolveTemplate(
  text: string,
  names: Names,
  locate: (part: string) => SourceLocation,
  problems: Problems,
): readonly ResolvedPiece[] {
  const resolve = (piece: Piece): ResolvedPiece => {
    if (piece.kind === 'text') return { text: piece.text, fixed: false };
    const meaning = names.get(piece.name);
    if (meaning?.kind === 'value') return { text: meaning.text, fixed: true };
    if (meaning?.kind !== 'broken') reportUnresolved(piece.name, piece.source, names, locate(piece.source), problems);
    return { text: '', fixed: true, failed: true };
  };
  return parseTemplate(text).flatMap((part) => {
    if (part.kind !== 'group') return [resolve(part)];
    const absent = part.pieces.some((piece) => piece.kind === 'expression' && isAbsent(piece, names, locate, problems));
    // The group keeps a space at both ends: it must not glue itself to its neighbours.
    return absent
      ? [{ text: ' ', fixed: false }]
      : [{ text: ' ', fixed: false }, ...part.pieces.map(resolve), { text: ' ', fixed: false }];
  });
}

/** In an optional group an input that the job doesn't have is absent, too; one that looks misspelt is told. */
function isAbsent(
  { name, source }: { readonly name: string; readonly source: string },
  names: Names,
  locate: (part: string) => SourceLocation,
  problems: Problems,
): boolean {
  const meaning = names.get(name);
  if (meaning !== undefined) return meaning.kind === 'absent';
  if (!/^(?:parent\.)?inputs\./.test(name)) return false;
  const meant = similarName(name, [...names.keys()]);
  if (meant !== undefined) {
    problems.warning('PR1015', `${source} stands for nothing; its optional group is left out`, {
      where: locate(source),
      next: `did you mean \${{${meant}}}?`,
    });
  }
  return true;
}

/**
 * A scalar with its expressions replaced. One that is a single expression keeps the type of what it stands for.
 * @returns undefined where one of them stands for nothing: there is no value to judge then
 */
export function resolveScalar(node: WrittenScalar, names: Names, problems: Problems): WrittenScalar | undefined {
  if (typeof node.value !== 'string' || !node.value.includes('${{')) return node;
  const whole = wholeExpression(node.value);
  const meaning = whole === undefined ? undefined : names.get(whole);
  if (meaning?.kind === 'value') return { ...node, value: meaning.value, text: meaning.text };
  const pieces = resolveTemplate(node.value, names, node.locate, problems);
  if (pieces.some((piece) => piece.failed === true)) return undefined;
  const text = pieces.map((piece) => piece.text).join('');
  return { ...node, value: text, text };
}

function reportUnresolved(name: string, source: string, names: Names, where: SourceLocation, problems: Problems): void {
  if (names.get(name)?.kind === 'absent') {
    problems.error('PR1015', `${source} stands for an optional input that was not given`, {
      where,
      next: `put the part that needs it into an optional group: $[[ --flag ${source} ]]`,
    });
    return;
  }
  const known = [...names.keys()];
  const meant = similarName(name, known);
  problems.error('PR1015', `${source} stands for nothing`, {
    where,
    why: known.length === 0 ? 'the job has no inputs and outputs' : `known here: ${listed(known)}`,
    ...(meant === undefined ? {} : { next: `did you mean \${{${meant}}}?` }),
  });
}

/** The part before the last full stop must not make short names look alike. */
export function similarName(name: string, known: readonly string[]): string | undefined {
  const cut = name.lastIndexOf('.') + 1;
  const last = name.slice(cut);
  const siblings = known.filter((other) => other.startsWith(name.slice(0, cut))).map((other) => other.slice(cut));
  const sibling = nearest(last, siblings);
  if (sibling !== undefined) return name.slice(0, cut) + sibling;
  return known.find((other) => other.endsWith(`.${last}`));
}

export const textMeaning = (text: string): Meaning => ({ kind: 'value', text, value: text });
export const scalarMeaning = (node: WrittenScalar): Meaning => ({ kind: 'value', text: node.text, value: node.value });

/**
 * All changes of a file at once, each switched on by its number: `a < b` becomes
 * `(__changed(7) ? (a <= b) : __changed(8) ? (true) : (a < b))`. With none switched on the file does what it always does.
 */
import ts from 'typescript';
import { editsOf } from './mutators.ts';
import type { Edit } from './mutators.ts';

export interface Mutant {
  /** Counts from 1 over all files. */
  readonly id: number;
  /** Relative to the repository. */
  readonly file: string;
  readonly lineNumber: number;
  /** The function or method that it is in. */
  readonly where: string;
  /** The line of source, trimmed. */
  readonly line: string;
  /** `what it was → what it is`. */
  readonly change: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
}

/** @param firstId of the first one */
export function mutantsOf(file: string, text: string, firstId: number): readonly Mutant[] {
  const source = parse(file, text);
  const lines = text.split('\n');
  return editsOf(source).map((edit, i) => {
    const { line } = source.getLineAndCharacterOfPosition(edit.start);
    return {
      id: firstId + i,
      file,
      lineNumber: line + 1,
      where: nameAround(edit.node),
      line: (lines[line] ?? '').trim(),
      change: `${short(text.slice(edit.start, edit.end))} → ${short(edit.text)}`,
      start: edit.start,
      end: edit.end,
      text: edit.text,
    };
  });
}

/** The file with this one change. */
export function changed(text: string, { start, end, text: other }: Mutant): string {
  return text.slice(0, start) + other + text.slice(end);
}

const short = (text: string): string => {
  const one = text.replaceAll(/\s+/g, ' ').replace(/^\((true|false) as boolean\)$/, '$1');
  return one.length <= 70 ? one : `${one.slice(0, 45)} … ${one.slice(-20)}`;
};

function nameAround(node: ts.Node): string {
  for (let at = node; !ts.isSourceFile(at); at = at.parent) {
    if ((ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at) || ts.isAccessor(at)) && at.name)
      return at.name.getText();
    if (ts.isConstructorDeclaration(at)) return 'constructor';
    if (ts.isVariableDeclaration(at) && ts.isSourceFile(at.parent.parent.parent)) return at.name.getText();
    if (ts.isPropertyDeclaration(at)) return at.name.getText();
  }
  return '';
}

interface Host {
  readonly node: ts.Node;
  readonly edits: (Edit & { readonly id: number })[];
}

/** @param firstId as for `mutantsOf` @returns code for a bundler: types may be wrong in it */
export function instrument(file: string, text: string, firstId: number): string {
  const source = parse(file, text);
  const hosts = new Map<ts.Node, Host>();
  for (const [i, edit] of editsOf(source).entries()) {
    const node = hostOf(edit.node);
    const host = hosts.get(node) ?? { node, edits: [] };
    hosts.set(node, host);
    host.edits.push({ ...edit, id: firstId + i });
  }
  const body = render(source, source, hosts);
  return `const { changed: __changed, initial: __initial } = globalThis.__mutation;${body}`;
}

/** The expression, statement or body whose changed form can stand beside it. */
function hostOf(node: ts.Node): ts.Node {
  for (let at = node; ; at = at.parent) {
    if (ts.isVariableStatement(at) || ts.isClassDeclaration(at) || ts.isFunctionDeclaration(at) || ts.isSourceFile(at))
      throw new Error(`no place for a change of ${node.getText()} in ${at.getText().slice(0, 60)}`);
    if (ts.isBlock(at) || ts.isStatement(at)) return at;
    if (ts.isCaseClause(at)) return at.expression;
    if (ts.isExpression(at) && canBeWrapped(at)) return at;
  }
}

function canBeWrapped(node: ts.Expression): boolean {
  const { parent } = node;
  if (ts.isSpreadElement(node) || ts.isOmittedExpression(node)) return false;
  // Links of a chain, what is called, what a method is called on.
  if (ts.isPropertyAccessExpression(parent) || ts.isElementAccessExpression(parent)) return parent.expression !== node;
  if (ts.isCallExpression(parent) || ts.isNewExpression(parent)) return parent.expression !== node;
  if (ts.isPrefixUnaryExpression(parent) || ts.isPostfixUnaryExpression(parent))
    return parent.operator !== ts.SyntaxKind.PlusPlusToken && parent.operator !== ts.SyntaxKind.MinusMinusToken;
  if (ts.isBinaryExpression(parent) && parent.left === node) return !isAssignment(parent.operatorToken.kind);
  return !('name' in parent && parent.name === node);
}

const isAssignment = (kind: ts.SyntaxKind): boolean =>
  kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;

function render(node: ts.Node, source: ts.SourceFile, hosts: ReadonlyMap<ts.Node, Host>): string {
  const inner = renderInside(node, source, hosts);
  const host = hosts.get(node);
  const whole = host ? wrap(host, inner, source) : inner;
  if (!ts.isVariableStatement(node) || !ts.isSourceFile(node.parent)) return whole;
  // Constants of the file: their value is worked out anew when a change is switched on or off.
  const [declaration] = node.declarationList.declarations;
  if (!declaration?.initializer) return whole;
  const value = render(declaration.initializer, source, hosts);
  return `${whole.replace(/\bconst\b/, 'let')} __initial(() => { ${declaration.name.getText(source)} = ${value}; });`;
}

/** The text of a node, with what is inside of it instrumented. */
function renderInside(node: ts.Node, source: ts.SourceFile, hosts: ReadonlyMap<ts.Node, Host>): string {
  let text = '';
  let at = node.getStart(source);
  ts.forEachChild(node, (child) => {
    const from = child.getStart(source);
    if (from < at) return;
    text += source.text.slice(at, from) + render(child, source, hosts);
    at = child.end;
  });
  return text + source.text.slice(at, node.end);
}

function wrap({ node, edits }: Host, inner: string, source: ts.SourceFile): string {
  const start = node.getStart(source);
  if (ts.isBlock(node)) {
    const gone = edits.map(({ id }) => `if (__changed(${id})) return; `).join('');
    return `{ ${gone}${inner.slice(1)}`;
  }
  const forms = edits.map((edit) => {
    const text =
      source.text.slice(start, edit.start) + edit.text + source.text.slice(edit.end, Math.max(edit.end, node.end));
    return { id: edit.id, text };
  });
  if (ts.isStatement(node))
    return forms.map(({ id, text }) => `if (__changed(${id})) { ${text} } else `).join('') + `{ ${inner} }`;
  return `(${forms.map(({ id, text }) => `__changed(${id}) ? (${text}) : `).join('')}(${inner}))`;
}

/**
 * Small changes to a file of TypeScript, each of which a test should notice. Only the weakest change of its kind: a
 * comparison moves by one instead of being turned around, since whoever notices the first notices the second.
 *
 * Not changed: types, imports, keys of objects, and texts of errors and of assertions.
 */
import ts from 'typescript';

/** Replaces [start, end) of the file. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** The smallest node that the change is about. */
  readonly node: ts.Node;
}

type Table = ReadonlyMap<ts.SyntaxKind, string>;

const K = ts.SyntaxKind;
const OPERATORS: Table = new Map([
  [K.LessThanToken, '<='],
  [K.LessThanEqualsToken, '<'],
  [K.GreaterThanToken, '>='],
  [K.GreaterThanEqualsToken, '>'],
  [K.PlusToken, '-'],
  [K.MinusToken, '+'],
  [K.AsteriskToken, '/'],
  [K.SlashToken, '*'],
  [K.AsteriskAsteriskToken, '*'],
  [K.PercentToken, '*'],
  [K.AmpersandToken, '|'],
  [K.BarToken, '&'],
  [K.LessThanLessThanToken, '>>>'],
  [K.GreaterThanGreaterThanGreaterThanToken, '<<'],
  [K.AmpersandAmpersandToken, '||'],
  [K.BarBarToken, '&&'],
  [K.QuestionQuestionToken, '&&'],
  [K.PlusEqualsToken, '-='],
  [K.MinusEqualsToken, '+='],
  [K.BarBarEqualsToken, '&&='],
  [K.AmpersandAmpersandEqualsToken, '||='],
  [K.QuestionQuestionEqualsToken, '&&='],
]);
const COMPARISONS = new Set([
  ...[K.LessThanToken, K.LessThanEqualsToken, K.GreaterThanToken, K.GreaterThanEqualsToken],
  ...[K.EqualsEqualsEqualsToken, K.ExclamationEqualsEqualsToken],
]);
/** With this type the compiler doesn't conclude from them what a variable can be: that would refuse what is none of its business. */
const CONSTANTS = ['(true as boolean)', '(false as boolean)'];
const METHODS: ReadonlyMap<string, string> = new Map([
  ['min', 'max'],
  ['max', 'min'],
  ['ceil', 'floor'],
  ['floor', 'ceil'],
  ['round', 'floor'],
  ['push', 'unshift'],
  ['unshift', 'push'],
  ['shift', 'pop'],
  ['pop', 'shift'],
  ['some', 'every'],
  ['every', 'some'],
]);
/** Calls that can be left out: `list.sort(f)` becomes `list`. */
const LEFT_OUT = new Set(['sort', 'filter', 'reverse', 'slice']);

/** All changes, in the order of the text, each once. */
export function editsOf(source: ts.SourceFile): readonly Edit[] {
  const found = new Map<string, Edit>();
  const visit = (node: ts.Node): void => {
    if (isOutside(node)) return;
    for (const edit of changesOf(node, source)) {
      const key = `${edit.start} ${edit.end} ${edit.text}`;
      if (!found.has(key)) found.set(key, edit);
    }
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(source, visit);
  return [...found.values()].sort((a, b) => a.start - b.start || a.end - b.end);
}

function isOutside(node: ts.Node): boolean {
  if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return true;
  return ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || isMessage(node);
}

/** What is said when something is wrong: the last argument of `invariant`, those of an error. */
function isMessage(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isNewExpression(parent)) return parent.expression.getText().endsWith('Error') && parent.expression !== node;
  return ts.isCallExpression(parent) && parent.expression.getText() === 'invariant' && parent.arguments[1] === node;
}

function changesOf(node: ts.Node, source: ts.SourceFile): Edit[] {
  const edit = (of: ts.Node, text: string, start = of.getStart(source), end = of.end): Edit => ({
    start,
    end,
    text,
    node,
  });
  const edits: Edit[] = [];
  if (isCondition(node)) for (const text of CONSTANTS) edits.push(edit(node, text));
  if (ts.isBinaryExpression(node)) {
    const { left, operatorToken, right } = node;
    const other = OPERATORS.get(operatorToken.kind);
    if (other !== undefined && !isText(left, right)) edits.push(edit(operatorToken, other));
    if (operatorToken.kind === K.QuestionQuestionToken) edits.push(edit(node, right.getText(source)));
    if (COMPARISONS.has(operatorToken.kind)) for (const text of CONSTANTS) edits.push(edit(node, text));
  } else if (ts.isPrefixUnaryExpression(node)) {
    if (node.operator === K.PlusPlusToken || node.operator === K.MinusMinusToken)
      edits.push(edit(node, `${node.operator === K.PlusPlusToken ? '--' : '++'}${node.operand.getText(source)}`));
    else edits.push(edit(node, node.operand.getText(source)));
  } else if (ts.isPostfixUnaryExpression(node)) {
    edits.push(edit(node, `${node.operand.getText(source)}${node.operator === K.PlusPlusToken ? '--' : '++'}`));
  } else if (node.kind === K.TrueKeyword || node.kind === K.FalseKeyword) {
    edits.push(edit(node, node.kind === K.TrueKeyword ? 'false' : 'true'));
  } else if (ts.isNumericLiteral(node)) {
    edits.push(edit(node, String(Number(node.text.replaceAll('_', '')) + 1)));
  } else if (ts.isStringLiteral(node) || ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
    if (!isKey(node) && !ts.isCaseClause(node.parent)) edits.push(edit(node, "''"));
  } else if (ts.isArrayLiteralExpression(node) && node.elements.length > 0) {
    edits.push(edit(node, '[]'));
  } else if (ts.isObjectLiteralExpression(node) && node.properties.length > 0) {
    edits.push(edit(node, '{}'));
  } else if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const { name, expression } = node.expression;
    const other = METHODS.get(name.text);
    if (other !== undefined) edits.push(edit(name, other));
    if (LEFT_OUT.has(name.text)) edits.push(edit(node, expression.getText(source)));
  } else if (ts.isCaseClause(node)) {
    // never matches, and is of every type
    edits.push(edit(node.expression, "('' as never)"));
  }
  if (isLeftOut(node)) edits.push(edit(node, ';'));
  if (isBody(node)) edits.push(edit(node, '{}'));
  return edits;
}

/** What is asked as a condition, where it is no comparison or constant: those are changed anyway. */
function isCondition(node: ts.Node): boolean {
  const { parent } = node;
  if (node.kind === K.TrueKeyword || node.kind === K.FalseKeyword) return false;
  if (ts.isIfStatement(parent) || ts.isWhileStatement(parent) || ts.isDoStatement(parent))
    return parent.expression === node;
  if (ts.isForStatement(parent) || ts.isConditionalExpression(parent)) return parent.condition === node;
  if (ts.isPrefixUnaryExpression(parent)) return parent.operator === K.ExclamationToken;
  if (!ts.isBinaryExpression(parent)) return false;
  const { kind } = parent.operatorToken;
  if (kind !== K.AmpersandAmpersandToken && kind !== K.BarBarToken) return false;
  // The right side may be a value: `a && { b }`. The left one is asked in any case.
  if (parent.left === node) return true;
  return parent.right === node && (isCondition(parent) || ts.isReturnStatement(parent.parent));
}

const isText = (...sides: readonly ts.Node[]): boolean =>
  sides.some((side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side));

const isKey = (node: ts.Node): boolean =>
  (ts.isPropertyAssignment(node.parent) || ts.isPropertyDeclaration(node.parent)) && node.parent.name === node;

/** Statements that can go without a replacement. All that a condition leads to: that is the condition's own change. */
function isLeftOut(node: ts.Node): boolean {
  if (ts.isIfStatement(node.parent) && !node.parent.elseStatement) return false;
  if (ts.isExpressionStatement(node)) return true;
  if (ts.isBreakStatement(node) || ts.isContinueStatement(node) || ts.isThrowStatement(node)) return true;
  if (!ts.isReturnStatement(node) || isLast(node)) return false;
  return !node.expression || node.expression.getText() === 'undefined';
}

/** At the end of a function a return of nothing says no more than its end. */
const isLast = (node: ts.Statement): boolean =>
  ts.isBlock(node.parent) && ts.isFunctionLike(node.parent.parent) && node.parent.statements.at(-1) === node;

/** Of a function with more than one statement: with one, that goes. */
function isBody(node: ts.Node): boolean {
  if (!ts.isBlock(node) || node.statements.length < 2) return false;
  const { parent } = node;
  return ts.isFunctionLike(parent);
}

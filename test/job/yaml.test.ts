import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from '../../src/domain/nearest.ts';
import { Problems } from '../../src/job/problems.ts';
import { readYaml } from '../../src/job/read-yaml.ts';
import { applyOverrides } from '../../src/job/set.ts';
import { child, lookUp } from '../../src/job/written.ts';
import type { WrittenNode } from '../../src/job/written.ts';

function read(text: string): { tree: WrittenNode | undefined; problems: Problems } {
  const problems = new Problems();
  return { tree: readYaml(text, 'job.yml', problems), problems };
}
const valueAt = (tree: WrittenNode | undefined, path: string): unknown => {
  const node = lookUp(tree, path);
  return node?.kind === 'scalar' ? node.value : node?.kind;
};

describe('YAML with places', () => {
  it('knows line, column, excerpt and path of every value', () => {
    const { tree } = read('a:\r\n  b: [1, {c: xyz}]\r\n');
    const list = lookUp(tree, 'a.b');
    const inner = list?.kind === 'list' ? list.items[1] : undefined;
    expect(child(inner, 'c')?.at()).toEqual({
      file: 'job.yml',
      line: 2,
      column: 14,
      length: 3,
      excerpt: '  b: [1, {c: xyz}]',
      keyPath: 'a.b[1].c',
    });
  });

  it('finds a part of a folded text in its own line', () => {
    const { tree } = read('args: >-\n  --a 1\n  --b ${{inputs.x}}\n');
    const node = child(tree, 'args');
    expect(node?.kind === 'scalar' && node.text).toBe('--a 1 --b ${{inputs.x}}');
    expect(node?.kind === 'scalar' && node.locate('${{inputs.x}}')).toMatchObject({ line: 3, column: 7, length: 13 });
  });

  it('resolves anchors, aliases and merge keys', () => {
    const { tree, problems } = read('base: &b {x: 1, y: 2}\nuse: *b\nmore: {y: 3, <<: *b, z: 4}\n');
    expect(['use.x', 'more.x', 'more.y', 'more.z'].map((path) => valueAt(tree, path))).toEqual([1, 1, 3, 4]);
    expect(problems.all()).toEqual([]);
  });

  it.each([
    ['a: 1\na: 2\n', 2],
    ['a: "x\n', 2],
    ['a: b: c\n', 1],
    ['a: *nowhere\n', 1],
    ['a: &x [*x]\n', 1],
    ['{[1]: 2}\n', 1],
    ['a: 1\n---\nb: 2\n', 2],
  ])('reports %j', (text, line) => {
    expect(
      read(text)
        .problems.all()
        .map((p) => [p.code, p.severity, p.where?.line]),
    ).toEqual([['PR1002', 'error', line]]);
  });

  it('reports both of two doubled keys, and goes on', () => {
    const { tree, problems } = read('a: 1\na: 2\nb: 1\nb: 2\nc: 3\n');
    expect(problems.all().map((p) => p.where?.line)).toEqual([2, 4]);
    expect(valueAt(tree, 'c')).toBe(3);
  });

  it('survives a bomb of aliases and nesting without end', () => {
    const bomb = [
      'a0: &a0 [x]',
      ...Array.from({ length: 60 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`),
    ].join('\n');
    expect(read(bomb).problems.all()).toEqual([]);
    expect(read(`a: ${'['.repeat(100_000)}`).problems.hasErrors).toBe(true);
  });

  it('treats __proto__ and constructor as keys like any other', () => {
    const { tree } = read('__proto__: {polluted: 1}\nconstructor: 2\n');
    expect(valueAt(tree, '__proto__.polluted')).toBe(1);
    expect(valueAt(tree, 'constructor')).toBe(2);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(valueAt(read('a: 1').tree, 'toString')).toBeUndefined();
  });

  it('never throws', () => {
    const pieces = fc.constantFrom(
      'a',
      ':',
      ' ',
      '\n',
      '-',
      '[',
      ']',
      '{',
      '}',
      '"',
      "'",
      '&x',
      '*x',
      '|',
      '>',
      '#',
      '!',
      '%',
      '\t',
      '1',
      '<<',
    );
    fc.assert(fc.property(fc.array(pieces, { maxLength: 40 }), (parts) => void read(parts.join(''))));
  });
});

describe('--set', () => {
  const set = (text: string, ...overrides: string[]): { tree: WrittenNode; problems: Problems } => {
    const { tree, problems } = read(text);
    if (tree === undefined) throw new Error('no tree');
    return { tree: applyOverrides(tree, overrides, problems), problems };
  };

  it.each([
    ['a.b=3', 'a.b', 3],
    ['a.new.deep=true', 'a.new.deep', true],
    ['a.b=10kb', 'a.b', '10kb'],
    ['a.b="3"', 'a.b', '3'],
    ['a.b=', 'a.b', ''],
    ['a.b=x=y: z', 'a.b', 'x=y: z'],
    ['a.b=a: b', 'a.b', 'a: b'],
    ['a.b={c: 5}', 'a.b.c', 5],
    ['a.b=[1, 2]', 'a.b', 'list'],
    ['a.b=${{inputs.x}}', 'a.b', '${{inputs.x}}'],
    ['a.b={not yaml', 'a.b', '{not yaml'],
    ['__proto__.x=1', '__proto__.x', 1],
  ])('%s', (override, path, expected) => {
    const { tree, problems } = set('a: {b: 1, c: 2}\n', override);
    expect(valueAt(tree, path)).toEqual(expected);
    expect(valueAt(tree, 'a.c')).toBe(2);
    expect(lookUp(tree, path)?.origin).toBe('command line');
    expect(problems.all()).toEqual([]);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('the last of several wins', () => {
    expect(valueAt(set('a: 1', 'b.c=1', 'b.c=2').tree, 'b.c')).toBe(2);
  });

  it.each(['a', 'a.b', '=1', 'a..b=1'])('refuses %j', (override) => {
    expect(
      set('a: {}', override)
        .problems.all()
        .map((p) => p.code),
    ).toEqual(['PR1008']);
  });

  it('does not run through a number', () => {
    const { tree, problems } = set('a: {b: 1}', 'a.b.c=2');
    expect(valueAt(tree, 'a.b')).toBe(1);
    expect(problems.all().map((p) => [p.code, p.what])).toEqual([
      ['PR1008', '--set a.b.c runs through a.b, which is no map'],
    ]);
  });
});

describe('did you mean', () => {
  it('counts insertions, deletions, substitutions and swaps', () => {
    expect([
      editDistance('timeout', 'tiemout'),
      editDistance('abc', 'abd'),
      editDistance('ab', 'abc'),
      editDistance('abc', ''),
      editDistance('x', 'x'),
    ]).toEqual([1, 1, 1, 3, 0]);
  });

  it('is symmetric and zero only for equals', () => {
    const word = fc.stringMatching(/^[a-d]{0,8}$/);
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
      }),
    );
  });

  it.each([
    ['min_batch_size', 'mini_batch_size'],
    ['miniBatchSize', 'mini_batch_size'],
    ['mini-batch-size', 'mini_batch_size'],
    ['tiemout', 'timeout'],
    ['wholly_different', undefined],
    ['constructor', undefined],
  ])('%s: %s', (word, meant) => {
    expect(nearest(word, ['mini_batch_size', 'timeout', 'inputs', 'task'])).toBe(meant);
  });
});

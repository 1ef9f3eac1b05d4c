/** What scripts recorded, folded. */
import { expect, it } from 'vitest';
import { factOf, RecordsFold } from '../../src/views/records.ts';
import type { AllRecords } from '../../src/views/records.ts';

let second = 0;
const at = (n: number): string => `2026-11-23T12:00:${String(n).padStart(2, '0')}.000000Z`;
function line(kind: string, name: string | undefined, value: unknown, more: object = {}): string {
  return JSON.stringify({ at: at(second++), kind, run: 'r', ...(name !== undefined && { name, value }), ...more });
}
function fold(lines: readonly string[], root = 'r'): AllRecords {
  const records = new RecordsFold('r', root);
  for (const one of lines) records.line(one);
  return records.records();
}

it('of metrics the last, their number, range and mean; what is no number counts only', () => {
  const { metrics } = fold([
    line('metric', 'loss', 3),
    line('metric', 'loss', 1),
    line('metric', 'loss', 'nan'),
    line('metric', 'loss', 2),
    line('metric', 'word', 'x'),
    line('row', 'loss', { a: 1 }),
    line('row', 'loss', { a: 2 }),
    line('list', 'l', [1, 2]),
    line('table', 't', { c: [1] }),
  ]);
  expect(metrics.map(({ lastAt: _, ...rest }) => rest)).toEqual([
    { name: 'l', form: 'list', last: [1, 2], count: 1 },
    { name: 'loss', form: 'metric', last: 2, count: 4, min: 1, max: 3, mean: 2 },
    { name: 'loss', form: 'row', last: { a: 2 }, count: 2 },
    { name: 't', form: 'table', last: { c: [1] }, count: 1 },
    { name: 'word', form: 'metric', last: 'x', count: 1 },
  ]);
});

it('the latest counts, whatever order the files of the processes are read in', () => {
  const lines = [
    line('metric', 'm', 1),
    line('tag', 't', 'old'),
    line('property', 'p', 'old'),
    line('file', 'f', 10),
    line('metric', 'm', 2),
    line('tag', 't', null),
    line('property', 'p', 'new'),
    line('file', 'f', 20),
    line('model', 'digits', 1),
    line('model', 'digits', 2),
    line('model', 'digits', 10),
  ];
  const forward = fold(lines);
  expect(fold([...lines].reverse())).toEqual(forward);
  expect(forward.metrics[0]).toMatchObject({ last: 2, min: 1, max: 2 });
  expect(forward).toMatchObject({
    tags: { t: null },
    properties: { p: 'new' },
    facts: 11,
    unreadable: 0,
    children: [],
  });
  expect(forward.files).toEqual([{ name: 'f', bytes: 20, at: expect.any(String) as string }]);
  expect(forward.models.map(({ version }) => version)).toEqual([1, 2, 10]);
});

it('children with what is theirs, in the order of their start', () => {
  const { children, metrics, parent } = fold([
    line('child', 'b', 'r', { run: 'b1' }),
    line('metric', 'm', 1, { run: 'b1' }),
    line('child', 'a', 'b1', { run: 'a1' }),
    line('file', 'f', 5, { run: 'a1' }),
    line('child-end', undefined, undefined, { run: 'a1', state: 'Failed', error: 'ValueError: no' }),
    line('child', 'open', 'r', { run: 'c1' }),
    line('child-end', undefined, undefined, { run: 'b1', state: 'Completed' }),
    // Its beginning is lost.
    line('metric', 'm', 2, { run: 'd1' }),
  ]);
  expect(metrics).toEqual([]);
  expect(parent).toBeUndefined();
  expect(children.map(({ id, name, parent: of, state, error }) => [id, name, of, state, error])).toEqual([
    ['b1', 'b', 'r', 'Completed', undefined],
    ['a1', 'a', 'b1', 'Failed', 'ValueError: no'],
    ['c1', 'open', 'r', undefined, undefined],
    ['d1', 'd1', '', undefined, undefined],
  ]);
  expect(children[0]?.metrics[0]?.last).toBe(1);
  expect(children[1]?.files[0]?.bytes).toBe(5);
});

it("what was recorded for the pipeline's run stands apart", () => {
  const { parent, children, metrics } = fold([line('metric', 'm', 1, { run: 'pipe' }), line('metric', 'm', 2)], 'pipe');
  expect([parent?.metrics[0]?.last, metrics[0]?.last, children]).toEqual([1, 2, []]);
});

it('lines that are no facts are counted and harm nothing', () => {
  const { facts, unreadable, metrics } = fold([
    '',
    '{"at":"2026-11-23T12:00:00.000000Z","kind":"met',
    'null',
    '[]',
    '{"at":1,"kind":"metric","run":"r"}',
    line('dance', 'm', 1),
    line('metric', '__proto__', 1),
    JSON.stringify({ at: at(1), kind: 'metric', run: 'r', name: 7 }),
  ]);
  expect([facts, unreadable, metrics.map(({ name }) => name)]).toEqual([1, 6, ['__proto__']]);
  expect(factOf('{"at":"t","kind":"tag","run":"r"}')).toEqual({
    at: 't',
    kind: 'tag',
    run: 'r',
    name: '',
    value: null,
    state: '',
  });
});

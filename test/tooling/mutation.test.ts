/** The mutation tool: what it changes, that a change is on only where it is switched on, and what its verdict counts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { allMutants } from '../mutation/files.ts';
import { changed, instrument, mutantsOf } from '../mutation/instrument.ts';
import { judge } from '../mutation/report.ts';
import type { Survivor } from '../mutation/report.ts';
import { limitFor, switchTo, watch, watched } from '../mutation/switch.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FILE = 'src/core/sample.ts';
const SOURCE = `const most = 3;
export function grade(n) {
  if (n < most && n !== 0) return 'few';
  return n > 0 ? 'many' : 'none';
}
export function endless(n) {
  while (n > 0) n--;
  return n;
}
`;

interface Sample {
  readonly grade: (n: number) => string;
  readonly endless: (n: number) => number;
}

const javascript = (text: string): string =>
  ts.transpile(text, { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ES2022 });
const load = async (text: string): Promise<Sample> =>
  (await import(`data:text/javascript,${encodeURIComponent(javascript(text))}`)) as Sample;
const mutants = mutantsOf(FILE, SOURCE, 1);
const grades = ({ grade }: Sample): string[] => [-1, 0, 1, 2, 3, 4].map((n) => grade(n));

test('changes comparisons, constants, conditions, texts and statements, each by the weakest of its kind', () => {
  expect(mutants.map(({ change }) => change)).toEqual(
    expect.arrayContaining(['3 → 4', '< → <=', '&& → ||', "'few' → ''", 'n !== 0 → true', '> → >=', 'n-- → n++']),
  );
  expect(mutants.find(({ change }) => change === '&& → ||')).toMatchObject({ lineNumber: 3, where: 'grade' });
});

test('instrumented, a file does what it did; with a change switched on, what the changed file does', async () => {
  const sample = await load(instrument(FILE, SOURCE, 1));
  watch();
  expect(grades(sample)).toEqual(grades(await load(SOURCE)));
  const { seen } = watched();
  let different = 0;
  for (const mutant of mutants.filter(({ where }) => where !== 'endless')) {
    const plain = grades(await load(changed(SOURCE, mutant)));
    switchTo(mutant.id, Infinity);
    expect(grades(sample), mutant.change).toEqual(plain);
    switchTo(0, Infinity);
    if (plain.join() === grades(sample).join()) continue;
    different += 1;
    expect(seen.has(mutant.id) || mutant.where === 'most', mutant.change).toBe(true);
  }
  expect(different).toBeGreaterThan(8);
});

test('a change that never ends is ended', async () => {
  const sample = await load(instrument(FILE, SOURCE, 1));
  const up = mutants.find(({ change }) => change === 'n-- → n++');
  switchTo(up?.id ?? 0, limitFor(10));
  expect(() => sample.endless(3)).toThrow('does not come to an end');
  switchTo(0, Infinity);
  expect(sample.endless(3)).toBe(0);
});

test('the verdict: what nobody notices must be listed, and what is listed as open counts against the score', () => {
  const [first, second, third] = mutants;
  if (!first || !second || !third) throw new Error('too few changes');
  const outcome = {
    mutants: [first, second, third],
    refused: new Set<number>(),
    caughtBy: new Map([[first.id, 'seed 1: x']]),
  };
  const entry = (of: typeof second, kind: Survivor['kind']): Survivor => ({
    file: 'core/sample',
    where: of.where,
    line: of.line,
    changes: [of.change],
    kind,
    reason: 'because',
  });
  const unlisted = (list: Survivor[]) => judge(outcome, list).unlisted.map(({ id }) => id);
  expect([unlisted([]), unlisted([entry(second, 'equivalent')])]).toEqual([[second.id, third.id], [third.id]]);
  const score = (list: Survivor[]) => Math.round(judge(outcome, list).coreScore);
  expect(score([])).toBe(33);
  expect(score([entry(second, 'equivalent'), entry(third, 'open')])).toBe(50);
  expect(score([entry(second, 'equivalent'), entry(third, 'efficiency')])).toBe(100);
  expect(
    judge({ ...outcome, caughtBy: new Map(outcome.mutants.map(({ id }) => [id, 'x'])) }, [entry(second, 'open')]).lines,
  ).toContainEqual(expect.stringContaining('listed and no longer alive'));
});

test('the list of survivors names lines and changes that are there, each with its reason', () => {
  const list = JSON.parse(readFileSync(join(root, 'test/mutation/survivors.json'), 'utf8')) as Survivor[];
  const all = allMutants(root);
  for (const { file, where, line, changes, reason } of list) {
    const here = all.filter(
      (mutant) => mutant.file === `src/${file}.ts` && mutant.where === where && mutant.line === line,
    );
    for (const change of changes)
      expect(
        here.map((mutant) => mutant.change),
        `${file} ${line}`,
      ).toContain(change);
    expect(reason.length, line).toBeGreaterThan(10);
  }
});

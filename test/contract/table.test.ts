/** The contract table is about tests that are there, and leaves out no option, flag and variable that we know. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OPTION_KEYS, optionSpec } from '../../src/job/options.ts';
import type { Held } from './line.ts';
import { TABLE } from './table.ts';

const ROOT = join(import.meta.dirname, '../..');
const texts = new Map<string, string>();

function textOf(file: string): string {
  const known = texts.get(file);
  if (known !== undefined) return known;
  const path = join(ROOT, file);
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  texts.set(file, text);
  return text;
}

/** Titles that tests of a file are called by: texts that a call of it, test or what `each` gives begins with. */
function titles(file: string): ReadonlySet<string> {
  const text = textOf(file);
  if (file.endsWith('.py')) return new Set([...text.matchAll(/^\s*def (test_\w+)\(/gm)].map(([, name]) => name ?? ''));
  const calls = text.matchAll(/(?:\b(?:it|test)|\))\s*\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*?)\1\s*,/g);
  return new Set([...calls].map(([, , title]) => (title ?? '').replaceAll(/\\(['"`])/g, '$1')));
}

/** @returns what is wrong with it */
function missing({ file, name, row }: Held): string | undefined {
  if (textOf(file) === '') return `${file} is not there`;
  if (!titles(file).has(name)) return `${file} has no test ${name}`;
  return row === undefined || textOf(file).includes(row) ? undefined : `${file} has no row ${row}`;
}

describe('the contract table', () => {
  it('names tests that are there', () => {
    const wrong = TABLE.flatMap(({ line, holds }) => holds.map((each) => [line, missing(each)] as const));
    expect(wrong.filter(([, what]) => what !== undefined)).toEqual([]);
  });

  it('finds out what is not there', () => {
    const file = 'test/contract/table.test.ts';
    expect(missing({ file, name: 'finds out what is not there' })).toBeUndefined();
    expect(missing({ file, name: 'finds out' })).toBe(`${file} has no test finds out`);
    expect(missing({ file: 'test/nowhere.test.ts', name: 'x' })).toBe('test/nowhere.test.ts is not there');
    expect(missing({ file, name: 'finds out what is not there', row: ['none', 'such'].join(' ') })).toContain(
      'has no row',
    );
    expect(missing({ file: 'python/tests/test_shims.py', name: 'test_fil' })).toContain('has no test');
  });

  it('has each line once, with a test or with what happens instead', () => {
    const lines = TABLE.map(({ line }) => line);
    expect(lines.filter((line, i) => lines.indexOf(line) < i)).toEqual([]);
    expect(TABLE.filter(({ holds, open = '' }) => holds.length === 0 && open.length < 20)).toEqual([]);
  });

  const all = TABLE.map(({ line }) => line).join('\n');
  const mentions = (name: string): boolean => new RegExp(`(?<!\\w)${name.replaceAll('.', '\\.')}(?!\\w)`).test(all);

  it('mentions every option by each of its names, and every runtime flag', () => {
    const names = OPTION_KEYS.map(optionSpec).flatMap(({ name, yaml, v1, runtimeFlag }) => [
      ...[name, yaml, v1].filter((each) => each !== undefined),
      ...(runtimeFlag === undefined ? [] : [`--${runtimeFlag}`]),
    ]);
    expect([...new Set(names)].filter((name) => !mentions(name))).toEqual([]);
  });

  it('mentions every environment variable that a worker gets', () => {
    const source = readFileSync(join(ROOT, 'src/node/environment.ts'), 'utf8');
    const names = [...source.matchAll(/\b(?:AZ_|AZUREML_|CUDA_|PYTHONF|MLFLOW_)\w+/g)].map(([name]) => name);
    expect(names.length).toBeGreaterThan(15);
    expect([...new Set(names)].filter((name) => !mentions(name))).toEqual([]);
  });
});

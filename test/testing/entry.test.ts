import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EntryTestError, entryUnderTest } from '../../src/testing/index.ts';
import type { MiniBatchContext, MiniBatchItems, TableMiniBatch } from '../../src/testing/index.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'parallelrun-testing-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('an entry script in a unit test', () => {
  test('a module: init, run, shutdown', async () => {
    const calls: string[] = [];
    const entry = await entryUnderTest(
      {
        init: () => calls.push('init'),
        run: (items: MiniBatchItems, context: MiniBatchContext) => {
          calls.push(`run ${context.minibatchIndex} ${context.tryNumber} ${process.argv.slice(2).join(' ')}`);
          return (items as string[]).slice(1).map((item) => path.basename(item));
        },
        shutdown: () => Promise.resolve(calls.push('shutdown')),
      },
      { argv: ['--model', 'm'] },
    );
    await entry.init();
    const result = await entry.run(['a.txt', 'b.txt', '/c.txt'], { tryNumber: 2 });
    await entry.shutdown();
    expect(result).toEqual({ rows: ['b.txt', 'c.txt'], succeeded: 2, failed: 1, text: 'b.txt\nc.txt\n' });
    expect(calls).toEqual(['init', 'run 0 2 --model m', 'shutdown']);
    expect(process.argv).not.toContain('--model');
  });

  test('a TypeScript file by its path leaves nothing behind', async () => {
    const script = path.join(folder, 'score.ts');
    writeFileSync(
      script,
      'type P = string[];\nexport const run = (paths: P) => paths.map((p: string) => ({ p: p.length }));\n',
    );
    const entry = await entryUnderTest(script, { format: 'csv' });
    const result = await entry.run(['/ab']);
    expect([result.text, result.columns]).toEqual(['3\n', ['p']]);
    expect(readdirSync(folder)).toEqual(['score.ts']);
  });

  test('rows of a table', async () => {
    const entry = await entryUnderTest(
      {
        run: (table: TableMiniBatch) => [
          table.schema.fields.map((field) => field.name).join(),
          ...table.rows.map((row) => row['x']),
          table.getChild('n')?.get(1),
        ],
      },
      { format: 'jsonl' },
    );
    const result = await entry.run([
      { n: 1, x: 'a' },
      { n: 2, x: null },
    ]);
    expect(result.text).toBe('"n,x"\n"a"\nnull\n2\n');
    expect(result.failed).toBe(0);
  });

  test('refuses what a run would refuse', async () => {
    await expect(entryUnderTest({ main: () => 1 })).rejects.toThrow(
      new EntryTestError('the entry script exports no function run; it exports main'),
    );
    const nothing = await entryUnderTest({ run: () => undefined });
    await expect(nothing.run(['a'])).rejects.toThrow(/^run\(\) returned undefined; it must return an array/);
    const odd = await entryUnderTest({ run: () => ['fine', Symbol('x')] });
    await expect(odd.run(['a'])).rejects.toThrow('element 1 of what run() returned cannot be written as txt');
    const broken = path.join(folder, 'broken.ts');
    writeFileSync(broken, 'export const run = (: string) => [];');
    await expect(entryUnderTest(broken)).rejects.toThrow(`${broken}:1:21`);
  });

  test('what run throws comes as it is', async () => {
    const error = new RangeError('mine');
    const entry = await entryUnderTest({ run: () => Promise.reject(error) });
    await expect(entry.run(['a'])).rejects.toBe(error);
  });
});

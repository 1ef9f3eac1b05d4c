import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Problem } from '../../src/domain/problem.ts';
import { bundleEntry } from '../../src/environment/bundle.ts';

let folder = '';
beforeEach(() => {
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'parallelrun-bundle-')));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
}

const outFile = (): string => path.join(folder, '.parallelrun/score.mjs');
const bundle = (file: string): ReturnType<typeof bundleEntry> =>
  bundleEntry({ codeFolder: folder, file, outFile: outFile() });

async function problem(file: string): Promise<Problem> {
  const bundled = await bundle(file);
  if (bundled.ok) throw new Error('no problem found');
  return bundled.error;
}

/** What `run` of the bundle returns, in a Node of its own. */
function rowsOf(script: string): unknown {
  const code = `import(${JSON.stringify(script)}).then(async (m) => console.log(JSON.stringify(await m.run())))`;
  return JSON.parse(execFileSync(process.execPath, ['-e', code], { encoding: 'utf8' }));
}

describe('TypeScript', () => {
  test('becomes one module that finds packages and files where the sources are', async () => {
    write({
      'node_modules/dep/package.json': '{"name":"dep","main":"index.js"}',
      'node_modules/dep/index.js': `exports.name = 'dep from ' + require('node:path').basename(__dirname);`,
      'sub folder/labels.txt': 'cat',
      'sub folder/labels.ts': [
        `import { readFileSync } from 'node:fs';`,
        `export const beside: string = readFileSync(new URL('labels.txt', import.meta.url), 'utf8');`,
        `export const also = readFileSync(__dirname + '/labels.txt', 'utf8');`,
        `export const names = [import.meta.filename, import.meta.dirname, __filename].map((p) => p.split('/').pop());`,
      ].join('\n'),
      'score.ts': [
        `import { createRequire } from 'node:module';`,
        `import dep from 'dep';`,
        `import { also, beside, names } from './sub folder/labels.ts';`,
        `const require = createRequire(import.meta.url);`,
        `export const run = (): string[] => [dep.name, require('dep').name, beside, also, ...names];`,
      ].join('\n'),
    });
    expect(await bundle('score.ts')).toEqual({ ok: true, value: { script: outFile() } });
    const expected = ['dep from dep', 'dep from dep', 'cat', 'cat', 'labels.ts', 'sub folder', 'labels.ts'];
    expect(rowsOf(outFile())).toEqual(expected);
  });

  test('a syntax error names line and column, counted in characters', async () => {
    write({ 'score.ts': `export const a = 1;\nconst s = 'é'; const y = ;\n` });
    expect(await problem('score.ts')).toEqual({
      code: 'PR2301',
      severity: 'error',
      what: 'the entry script has a syntax error',
      where: {
        file: path.join(folder, 'score.ts'),
        line: 2,
        column: 26,
        length: 1,
        excerpt: `const s = 'é'; const y = ;`,
      },
      why: 'Unexpected ";"',
      next: 'correct the line and start again',
    });
  });

  test('an import that is not there', async () => {
    write({ 'score.ts': `import { x } from './lib/missing.ts';\nexport const run = () => [x];` });
    expect(await problem('score.ts')).toMatchObject({
      code: 'PR2302',
      what: 'the entry script imports "./lib/missing.ts", which is not there',
      where: { file: path.join(folder, 'score.ts'), line: 1, column: 19, length: 18 },
    });
  });
});

describe('JavaScript', () => {
  test.each(['score.js', 'score.mjs', 'score.cjs'])('%s is run as it is', async (file) => {
    write({ [file]: 'module.exports = {};' });
    expect(await bundle(file)).toEqual({ ok: true, value: { script: path.join(folder, file) } });
  });

  test('a syntax error in a file it imports is found before a worker meets it', async () => {
    write({ 'score.mjs': `import './lib.mjs';`, 'lib.mjs': 'export const a = 1;\n  let b = = 2;\n' });
    expect(await problem('score.mjs')).toMatchObject({
      code: 'PR2301',
      where: { file: path.join(folder, 'lib.mjs'), line: 2, column: 11, excerpt: '  let b = = 2;' },
    });
  });

  test('what only the bundler minds is no problem', async () => {
    write({
      'score.mjs': `import './native.node';\nimport './gone.mjs';\nawait null;\nexport const run = () => [];`,
      'native.node': 'x',
    });
    expect((await bundle('score.mjs')).ok).toBe(true);
  });
});

test('files of another kind, and files that are not there', async () => {
  expect((await problem('score.py')).code).toBe('PR2304');
  expect((await problem('score.ts')).code).toBe('PR2305');
});

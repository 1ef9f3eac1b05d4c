import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bundleEntry } from '../../src/environment/bundle.ts';
import type { FailedMessage } from '../../src/domain/protocol.ts';
import { Workshop } from './rig.ts';

const shop = new Workshop();
beforeAll(() => shop.buildHost());
afterEach(() => shop.endAll());
afterAll(() => shop.remove());

async function failureOf(text: string, file = 'score.mjs'): Promise<FailedMessage['error']> {
  const agent = shop.script(text, {}, file);
  agent.run(0, ['a']);
  return (await agent.message('failed')).error;
}

describe('exceptions of run', () => {
  test('name the line of the TypeScript source', async () => {
    const code = shop.code({
      'score.ts': [
        "import { check } from './lib/check.ts';",
        'type Paths = string[];',
        'export async function run(paths: Paths): Promise<string[]> {',
        '  await null;',
        '  return paths.map((path) => check(path));',
        '}',
      ].join('\n'),
      'lib/check.ts': [
        'export class NotFitted extends Error {}',
        'export function check(path: string): string {',
        "  throw new NotFitted(`no model for ${path}`, { cause: new TypeError('deep') });",
        '}',
      ].join('\n'),
    });
    const outFile = path.join(code, '.parallelrun/score.mjs');
    expect((await bundleEntry({ codeFolder: code, file: 'score.ts', outFile })).ok).toBe(true);
    const agent = shop.start(outFile, { codeFolder: code });
    agent.run(3, ['a.txt'], 2);
    const failed = await agent.message('failed');
    expect(failed).toMatchObject({ i: 3, d: 2, n: 1 });
    const { error } = failed;
    if (error.kind !== 'exception') throw new Error(error.kind);
    expect([error.exceptionType, error.message]).toEqual(['NotFitted', 'no model for /data/a.txt']);
    const own = error.frames.filter((frame) => frame.own);
    expect(own.map(({ file, line }) => `${file}:${line}`)).toEqual(['score.ts:5', 'score.ts:5', 'lib/check.ts:3']);
    expect(own[2]?.function).toBe('check');
    expect(own[2]?.text).toBe("throw new NotFitted(`no model for ${path}`, { cause: new TypeError('deep') });");
    expect(error.frames).toEqual(own);
    const lines = error.traceback.split('\n');
    expect(lines[0]).toBe('NotFitted: no model for /data/a.txt');
    expect(lines).toContain('Caused by: TypeError: deep');
    expect(error.traceback).not.toMatch(/worker\/main|node:internal/);
    // the worker lives on
    agent.run(4, ['b.txt']);
    expect((await agent.message('failed', 1)).i).toBe(4);
  });

  test('values that are no errors', async () => {
    expect(await failureOf(`export const run = () => { throw 'just text'; };`)).toMatchObject({
      kind: 'exception',
      exceptionType: 'string',
      message: 'just text',
      frames: [],
    });
    expect(await failureOf(`export const run = async () => { throw { code: 7 }; };`)).toMatchObject({
      exceptionType: 'Object',
      message: '{"code":7}',
    });
    expect(await failureOf(`export const run = () => Promise.reject();`)).toMatchObject({
      exceptionType: 'undefined',
      message: 'undefined',
    });
  });

  test('hostile errors: huge, cyclic, throwing when looked at', async () => {
    const error = await failureOf(`
      class Evil extends Error {
        get message() { throw new Error('no message'); }
        toString() { throw new Error('no text'); }
      }
      export const run = () => {
        const huge = new Error('x'.repeat(50_000_000));
        huge.cause = huge;
        let chain = huge;
        for (let i = 0; i < 1000; i++) chain = new Error('link ' + i, { cause: chain });
        throw new AggregateError([new Evil(), chain, huge], 'y'.repeat(10_000_000));
      };`);
    if (error.kind !== 'exception') throw new Error(error.kind);
    expect(error.exceptionType).toBe('AggregateError');
    expect(error.message).toHaveLength(8192);
    expect(error.message).toMatch(/^y+\.\.\. \(10000000 characters in all\)$/);
    expect(error.traceback.length).toBeLessThanOrEqual(64 * 1024);
    expect(error.frames.at(-1)).toMatchObject({ file: 'score.mjs', line: 11, own: true });
  });

  test('deep recursion is an exception like any other', async () => {
    expect(await failureOf(`export const run = () => run();`)).toMatchObject({
      kind: 'exception',
      exceptionType: 'RangeError',
    });
  });

  test('a generator that throws half way', async () => {
    const error = await failureOf(`export function* run() { yield 1; throw new RangeError('half way'); }`);
    expect(error).toMatchObject({ kind: 'exception', exceptionType: 'RangeError', message: 'half way' });
    expect(error.kind === 'exception' && error.frames).toHaveLength(1);
  });
});

describe('invalid returns', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['undefined', 'undefined'],
    ['null', 'null'],
    ['"text"', 'string'],
    ['7', 'number'],
    ['({ a: 1 })', 'Object'],
    ['Buffer.from("x")', 'Buffer'],
    ['new (class Result {})()', 'Result'],
    ['() => 1', 'function'],
  ];
  test.each(cases)('%s', async (value, returned) => {
    expect(await failureOf(`export const run = async () => (${value});`)).toEqual({ kind: 'invalid-return', returned });
  });
});

describe('errors that nobody waits for', () => {
  test('a rejection that went astray in a synchronous run fails that try, and the worker lives on', async () => {
    const agent = shop.script(`
      async function save(path) { if (path.endsWith('bad')) throw new TypeError('not saved'); }
      export const run = (paths) => { paths.forEach(save); return paths; };`);
    agent.run(0, ['bad']);
    agent.run(1, ['good']);
    expect(await agent.message('failed')).toMatchObject({ i: 0, error: { kind: 'exception', message: 'not saved' } });
    expect(await agent.message('done')).toMatchObject({ i: 1, k: 1 });
    expect(agent.stderr()).toBe('');
  });

  test('where run then never settles, the try fails with the cause and the worker ends', async () => {
    const agent = shop.script(`
      export const run = () => new Promise(() => { Promise.reject(new Error('the cause')); });`);
    agent.run(0, ['a']);
    agent.run(1, ['b']);
    expect((await agent.message('failed')).error).toMatchObject({ kind: 'exception', message: 'the cause' });
    expect(await agent.exited).toEqual({ code: 1, signal: null });
    expect(agent.received.filter((message) => message.m === 'begin')).toHaveLength(1);
  });

  test('an exception in a callback fails the try and ends the worker', async () => {
    const agent = shop.script(`
      export const run = () => new Promise(() => { setTimeout(() => { throw new RangeError('in a timer'); }, 1); });`);
    agent.run(0, ['a']);
    expect((await agent.message('failed')).error).toMatchObject({ kind: 'exception', exceptionType: 'RangeError' });
    expect(await agent.exited).toEqual({ code: 1, signal: null });
  });

  test('between mini-batches they are printed', async () => {
    const agent = shop.script(`
      import { existsSync } from 'node:fs';
      let late = 0;
      export function run([flag]) {
        const timer = setInterval(() => {
          if (!existsSync(flag)) return;
          clearInterval(timer);
          if (late++ === 0) throw new Error('late');
        }, 2);
        return [1];
      }`);
    const source = { kind: 'files', root: agent.folder, files: ['flag'] } as const;
    agent.run(0, source);
    await agent.message('done');
    writeFileSync(path.join(agent.folder, 'flag'), '');
    await agent.until(() => agent.stderr().includes('Error: late'), 'word on standard error');
    expect(agent.stderr()).toContain('parallelrun: an error outside of run(): Error: late');
    agent.run(1, source);
    expect((await agent.message('done', 1)).i).toBe(1);
  });
});

describe('errors of a stage', () => {
  test('load: an exception', async () => {
    const agent = shop.script(`\nthrow new Error('no model');\n`);
    const { stage, error } = await agent.message('stage-error');
    expect(stage).toBe('load');
    expect(error).toMatchObject({
      kind: 'exception',
      message: 'no model',
      frames: [{ file: 'score.mjs', line: 2, own: true, text: "throw new Error('no model');" }],
    });
    expect(await agent.exited).toEqual({ code: 1, signal: null });
  });

  test('load: an export that is missing names the importing line', async () => {
    const code = shop.code({
      'score.mjs': `import { gone } from './lib.mjs';\nexport const run = gone;`,
      'lib.mjs': '',
    });
    const agent = shop.start(path.join(code, 'score.mjs'));
    const { error } = await agent.message('stage-error');
    expect(error).toMatchObject({
      kind: 'exception',
      exceptionType: 'SyntaxError',
      frames: [{ file: 'score.mjs', line: 1, own: true }],
    });
  });

  test('load: no run', async () => {
    const agent = shop.script(`export function init() {}\nexport default { Run: 1 };`);
    expect((await agent.message('stage-error')).error).toEqual({
      kind: 'no-run-function',
      file: expect.stringMatching(/score\.mjs$/) as string,
      defined: ['init', 'Run'],
    });
    expect(await agent.exited).toEqual({ code: 1, signal: null });
  });

  test('init', async () => {
    const agent = shop.script(
      `export async function init() { await null; throw new TypeError('x'); }\nexport const run = () => [];`,
    );
    const { stage, error } = await agent.message('stage-error');
    expect(stage).toBe('init');
    expect(error).toMatchObject({ exceptionType: 'TypeError', frames: [{ function: 'init', line: 1 }] });
    expect(await agent.exited).toEqual({ code: 1, signal: null });
  });

  test('shutdown: bye follows', async () => {
    const agent = shop.script(
      `export const run = () => [];\nexport const shutdown = () => { throw new Error('late'); };`,
    );
    await agent.message('initialized');
    agent.stop();
    expect(await agent.message('stage-error')).toMatchObject({ stage: 'shutdown', error: { message: 'late' } });
    await agent.message('bye');
    expect(await agent.exited).toEqual({ code: 0, signal: null });
  });
});

describe('input errors', () => {
  test('a name that is not UTF-8', async () => {
    const agent = shop.script(`export const run = (paths) => paths;`);
    agent.run(0, ['ok', 'caf\udce9']);
    const { error, n } = await agent.message('failed');
    expect(n).toBe(2);
    expect(error).toMatchObject({ kind: 'input-error', path: '/data/caf\udce9' });
    expect((error as { reason: string }).reason).toContain('not valid UTF-8');
    agent.run(1, ['ok']);
    expect((await agent.message('done')).k).toBe(1);
  });

  test('a file that vanished is named; one that only the script wants is the script’s error', async () => {
    const agent = shop.script(`
      import { readFileSync } from 'node:fs';
      export const run = (paths) => paths.map((path) => readFileSync(path, 'utf8').length + readFileSync('/nowhere').length);`);
    const folder = path.join(agent.folder, 'in');
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'a'), 'x');
    writeFileSync(path.join(folder, 'b'), 'x');
    rmSync(path.join(folder, 'a'));
    agent.run(0, { kind: 'files', root: folder, files: ['a'] });
    agent.run(1, { kind: 'files', root: folder, files: ['b'] });
    expect((await agent.message('failed')).error).toMatchObject({
      kind: 'input-error',
      path: path.join(folder, 'a'),
      errno: 'ENOENT',
    });
    expect((await agent.message('failed', 1)).error).toMatchObject({ kind: 'exception', exceptionType: 'Error' });
  });
});

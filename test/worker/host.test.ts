import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Workshop } from './rig.ts';

const shop = new Workshop();
beforeAll(() => shop.buildHost());
afterEach(() => shop.endAll());
afterAll(() => shop.remove());

describe('life of a worker', () => {
  test('loads, initializes, runs, shuts down', async () => {
    const agent = shop.script(`
      let ready = 0;
      export function init() { ready += 1; console.log('init'); }
      export function run(paths, context) {
        console.log('run', context.minibatchIndex, context.tryNumber);
        return paths.map((path) => path + ' ' + ready);
      }
      export async function shutdown() { console.log('bye'); }
    `);
    const hello = await agent.message('hello');
    expect(hello).toMatchObject({ protocol: 1, pid: agent.child.pid, language: 'node' });
    expect(hello.version).toMatch(/^v\d+\.\d+\.\d+$/);
    await agent.message('loaded');
    await agent.message('initialized');
    agent.run(7, ['a', 'b/c'], 3, 2);
    const begin = await agent.message('begin');
    expect(begin).toMatchObject({ i: 7, d: 3, o: [5, 0] });
    const done = await agent.message('done');
    expect(done).toMatchObject({ i: 7, d: 3, n: 2, k: 2, o: [13, 0] });
    expect(done.w[0]).toBe(begin.w);
    expect(done.w[1]).toBeGreaterThanOrEqual(begin.w);
    expect(Math.abs(done.w[1] * 1000 - Date.now())).toBeLessThan(20_000);
    expect(done.c[1]).toBeGreaterThanOrEqual(done.c[0]);
    expect(done.body.toString()).toBe('/data/a 1\n/data/b/c 1\n');
    agent.stop();
    await agent.message('bye');
    expect(await agent.exited).toEqual({ code: 0, signal: null });
    expect(agent.stdout()).toBe('init\nrun 7 2\nbye\n');
    expect(agent.stderr()).toBe('');
  });

  test('gives the script its arguments and its working folder, each time', async () => {
    const agent = shop.script(
      `export function run() { const seen = process.cwd(); process.chdir('/'); return [seen, ...process.argv.slice(1)]; }`,
      { argv: ['--model', 'm 1'] },
    );
    agent.run(0, []);
    agent.run(1, []);
    const home = path.join(agent.folder, 'work');
    const first = (await agent.message('done')).body.toString().split('\n');
    expect(first[0]).toBe(home);
    expect(first.slice(2)).toEqual(['--model', 'm 1', '']);
    expect((await agent.message('done', 1)).body.toString().split('\n')[0]).toBe(home);
  });

  test('begin has left before a run that blocks the event loop', async () => {
    const agent = shop.script(`export function run() { for (;;); }`);
    agent.run(0, ['a']);
    expect(await agent.message('begin')).toMatchObject({ i: 0, d: 1 });
  });

  test('runs what waits strictly one after the other, in order', async () => {
    const agent = shop.script(`
      let inside = 0;
      export async function run(paths) {
        inside += 1;
        await new Promise((resolve) => setTimeout(resolve, 3));
        const seen = inside;
        inside -= 1;
        return [seen];
      }`);
    for (let i = 0; i < 5; i++) agent.run(i, ['a']);
    await agent.message('done', 4);
    const told = agent.received.filter((m) => m.m === 'begin' || m.m === 'done');
    expect(told.map((m) => `${m.m} ${m.i}`)).toEqual([0, 1, 2, 3, 4].flatMap((i) => [`begin ${i}`, `done ${i}`]));
    expect(told.filter((m) => m.m === 'done').map((m) => m.body.toString())).toEqual(Array(5).fill('1\n'));
  });

  test('stop drops what has not begun', async () => {
    const agent = shop.script(`
      import { existsSync } from 'node:fs';
      import { setTimeout } from 'node:timers/promises';
      export async function run([flag]) { while (!existsSync(flag)) await setTimeout(2); return [1]; }`);
    agent.run(0, { kind: 'files', root: agent.folder, files: ['flag'] });
    agent.run(1, ['b']);
    await agent.message('begin');
    agent.stop();
    await agent.flush();
    writeFileSync(path.join(agent.folder, 'flag'), '');
    await agent.message('bye');
    expect(await agent.exited).toEqual({ code: 0, signal: null });
    expect(agent.received.map((m) => m.m)).toEqual(['hello', 'loaded', 'initialized', 'begin', 'done', 'bye']);
  });

  test('a synchronous script sees stop between two mini-batches', async () => {
    const agent = shop.script(`
      import { existsSync } from 'node:fs';
      export function run([flag]) { while (!existsSync(flag)); return [1]; }`);
    agent.run(0, { kind: 'files', root: agent.folder, files: ['flag'] });
    agent.run(1, { kind: 'files', root: agent.folder, files: ['never'] });
    await agent.message('begin');
    agent.stop();
    await agent.flush();
    writeFileSync(path.join(agent.folder, 'flag'), '');
    await agent.message('bye');
    expect(agent.received.filter((m) => m.m === 'begin')).toHaveLength(1);
  });

  test('a closed channel ends an idle worker after its shutdown, whatever keeps its loop alive', async () => {
    const agent = shop.script(`
      setInterval(() => {}, 1000);
      export const run = (paths) => paths;
      export function shutdown() { console.log('shut down'); }`);
    await agent.message('initialized');
    agent.closeChannel();
    // the bye finds nobody: exit code 1, but at once
    expect((await agent.exited).signal).toBe(null);
    expect(agent.stdout()).toBe('shut down\n');
  });

  test('a closed channel ends a running worker at once', async () => {
    const agent = shop.script(`export const run = () => new Promise(() => setInterval(() => {}, 1000));`);
    agent.run(0, ['a']);
    await agent.message('begin');
    agent.closeChannel();
    expect(await agent.exited).toEqual({ code: 1, signal: null });
  });

  test('bytes that are no frame end the worker with a word', async () => {
    const agent = shop.script(`export const run = (paths) => paths;`);
    await agent.message('initialized');
    agent.sendRaw(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0x7b]));
    expect(await agent.exited).toEqual({ code: 1, signal: null });
    expect(agent.stderr()).toContain('parallelrun: the agent broke the protocol: header of 1 bytes');
  });
});

describe('ways to export the functions', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['named, module', 'score.mjs', `export const run = () => ['x'];`],
    ['default object', 'score.mjs', `export default { run: () => ['x'] };`],
    ['default instance', 'score.mjs', `class S { row = 'x'; run() { return [this.row]; } } export default new S();`],
    ['CommonJS object', 'score.cjs', `module.exports = { run() { return ['x']; } };`],
    ['CommonJS members', 'score.cjs', `exports.run = () => ['x'];`],
    [
      'compiled default',
      'score.cjs',
      `Object.defineProperty(exports, '__esModule', { value: true }); exports.default = { run: () => ['x'] };`,
    ],
  ];
  test.each(cases)('%s', async (_name, file, text) => {
    const agent = shop.script(text, {}, file);
    agent.run(0, ['a']);
    expect((await agent.message('done')).body.toString()).toBe('x\n');
  });
});

describe('large and odd results', () => {
  test('a result over 64 KiB goes to a private part file', async () => {
    const agent = shop.script(`
      process.umask(0);
      export function* run(paths) { for (let i = 0; i < 20000; i++) yield 'row ' + i; }`);
    agent.run(4, ['a'], 9);
    const done = await agent.message('done');
    const expected = Array.from({ length: 20000 }, (_, i) => `row ${i}\n`).join('');
    const file = path.join(agent.partFolder, '4.9.part');
    expect(done).toMatchObject({ n: 1, k: 20000, part: { path: file, bytes: expected.length } });
    expect(done.body.length).toBe(0);
    expect(readFileSync(file, 'utf8')).toBe(expected);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('a row that cannot be written fails the try and leaves no part file', async () => {
    const agent = shop.script(`
      export function run() {
        const cycle = {}; cycle.self = cycle;
        return [...Array(9000).fill('0123456789'), cycle];
      }`);
    agent.run(1, ['a']);
    const { error } = await agent.message('failed');
    expect(error).toMatchObject({ kind: 'unencodable-row', row: 9000, exceptionType: 'TypeError' });
    expect(existsSync(path.join(agent.partFolder, '1.1.part'))).toBe(false);
  });

  test('columns of csv rows travel with the result', async () => {
    const agent = shop.script(`export const run = () => [{ a: 1, b: 'x,y' }, { b: null, a: 2n ** 60n }];`, {
      output: { action: 'append_row', format: 'csv' },
    });
    agent.run(0, ['a']);
    const done = await agent.message('done');
    expect(done.columns).toEqual(['a', 'b']);
    expect(done.body.toString()).toBe('1,"x,y"\n1152921504606846976,\n');
  });

  test('summary_only counts and keeps nothing', async () => {
    const agent = shop.script(`export async function* run() { yield () => {}; yield 2; yield 3; }`, {
      output: { action: 'summary_only' },
    });
    agent.run(0, ['a']);
    const done = await agent.message('done');
    expect([done.k, done.body.length, done.part]).toEqual([3, 0, undefined]);
  });

  test('elements that are promises are waited for', async () => {
    const agent = shop.script(`export const run = (paths) => paths.map(async (path) => path.toUpperCase());`);
    agent.run(0, ['a', 'b']);
    expect((await agent.message('done')).body.toString()).toBe('/DATA/A\n/DATA/B\n');
  });
});

describe('what a script does to its process', () => {
  test('children do not inherit the channel', async () => {
    const agent = shop.script(`
      import { execFileSync } from 'node:child_process';
      export const run = () => [execFileSync('ls', ['-l', '/proc/self/fd/'], { encoding: 'utf8' })];
    `);
    agent.run(0, []);
    const listing = (await agent.message('done')).body.toString();
    expect(listing).toContain(' 1 -> ');
    expect(listing).not.toMatch(/ [3-9] -> socket/);
  });

  test('closed standard streams harm nothing, and marks never go back', async () => {
    const agent = shop.script(`
      import { closeSync } from 'node:fs';
      export function run([path]) {
        if (path.endsWith('close')) { console.log('last'); closeSync(1); closeSync(2); }
        return [path];
      }`);
    agent.run(0, ['close']);
    agent.run(1, ['next']);
    expect((await agent.message('done')).o).toEqual([5, 0]);
    expect(await agent.message('done', 1)).toMatchObject({ k: 1, o: [5, 0] });
  });

  test('closed standard streams are open again for the next mini-batch', async () => {
    const agent = shop.script(`
      import { closeSync } from 'node:fs';
      import { execFileSync } from 'node:child_process';
      export function run([path]) {
        console.log(path);
        execFileSync('echo', ['by a child'], { stdio: 'inherit' });
        console.error('careful');
        closeSync(1);
        closeSync(2);
        return [path];
      }`);
    agent.run(0, ['one']);
    agent.run(1, ['two']);
    await agent.message('done', 1);
    expect(agent.stdout()).toBe('/data/one\nby a child\n/data/two\nby a child\n');
    expect(agent.stderr().match(/careful/g)).toHaveLength(2);
  });

  test('replaced globals do not reach the host', async () => {
    const agent = shop.script(`
      JSON.parse = JSON.stringify = () => { throw new Error('mine'); };
      Date.now = performance.now = () => 0;
      export const run = (paths) => paths;`);
    agent.run(0, ['a']);
    const done = await agent.message('done');
    expect(done.body.toString()).toBe('/data/a\n');
    expect(Math.abs(done.w[0] * 1000 - Date.now())).toBeLessThan(20_000);
  });

  test('process.exit in run ends the process; standard error says who did it', async () => {
    const agent = shop.script(`export function run() { process.exit(0); }`);
    agent.run(6, ['a']);
    expect(await agent.exited).toEqual({ code: 0, signal: null });
    expect(agent.received.map((m) => m.m)).not.toContain('done');
    expect(agent.stderr()).toMatch(
      /^parallelrun: the entry script ended the process during run\(\) of mini-batch 6, exit code 0\n {4}at .*run.*score\.mjs:1:/,
    );
  });
});

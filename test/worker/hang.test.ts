import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { bundleEntry } from '../../src/environment/bundle.ts';
import { isInFiles } from '../../src/worker/paused.ts';
import type { Agent } from './rig.ts';
import { Workshop } from './rig.ts';

const HANG_FLAGS = ['--inspect-port=127.0.0.1:0', '--inspect-publish-uid=stderr'];
const run = promisify(execFile);
const shop = new Workshop();
beforeAll(() => shop.buildHost());
afterEach(() => shop.endAll());
afterAll(() => shop.remove());

async function dump(agent: Agent): Promise<string> {
  const script = path.join(shop.folder, 'worker/stackdump.js');
  const { stdout } = await run(process.execPath, [script, String(agent.child.pid), agent.stderrFile]);
  return stdout;
}

test('a busy loop shows its stack, in the lines of the TypeScript source', async () => {
  const code = shop.code({
    'score.ts': [
      "import { spin } from './lib/spin.ts';",
      'interface Unused { a: string }',
      'export async function run(paths: string[]): Promise<string[]> {',
      '  await null;',
      '  spin(paths.length);',
      '  return paths;',
      '}',
    ].join('\n'),
    'lib/spin.ts': [
      'type N = number;',
      'export function spin(n: N): void {',
      '  let x = n;',
      '  for (;;) x = (x * 31) | 0;',
      '}',
    ].join('\n'),
  });
  const outFile = path.join(code, '.parallelrun/score.mjs');
  expect(await bundleEntry({ codeFolder: code, file: 'score.ts', outFile })).toEqual({
    ok: true,
    value: { script: outFile },
  });
  const agent = shop.start(outFile, { codeFolder: code }, HANG_FLAGS);
  agent.run(0, ['a']);
  await agent.message('begin');
  const lines = (await dump(agent)).trimEnd().split('\n');
  expect(lines[0]).toMatch(new RegExp(`^    at spin \\(${code}/lib/spin.ts:4:\\d+\\)$`));
  expect(lines[1]).toBe(`    at run (${code}/score.ts:5:3)`);
  expect(lines).toHaveLength(2);
});

test('a promise that never settles is told apart from a busy loop', async () => {
  const agent = shop.start(
    path.join(
      shop.code({ 'score.mjs': 'export const run = () => new Promise((r) => setTimeout(r, 1e8));' }),
      'score.mjs',
    ),
    {},
    HANG_FLAGS,
  );
  agent.run(0, ['a']);
  await agent.message('begin');
  const text = await dump(agent);
  expect(text).toContain('waits for a promise that does not settle');
  expect(text).toContain('Timeout');
});

test('a system call that does not return is named as such', async () => {
  const code = shop.code({
    'score.mjs': "import { openSync } from 'node:fs'; export const run = ([fifo]) => openSync(fifo, 'r');",
  });
  // opening a pipe nobody writes to blocks for ever
  await run('mkfifo', [path.join(code, 'pipe')]);
  const agent = shop.start(path.join(code, 'score.mjs'), {}, HANG_FLAGS);
  agent.run(0, { kind: 'files', root: code, files: ['pipe'] });
  await agent.message('begin');
  expect(await dump(agent)).toMatch(/^The process is inside a system call or native code, no JavaScript is running\./);
});

test('stopped in Node itself, with nothing of the script below, is no stack to show', () => {
  const frame = (url: string) => ({ functionName: 'f', url, location: { scriptId: '7', lineNumber: 1 } });
  expect(isInFiles([frame('node:events')], () => undefined)).toBe(false);
  expect(isInFiles([frame('node:fs'), frame('file:///code/score.mjs')], () => undefined)).toBe(true);
  expect(isInFiles([frame('')], (id) => (id === '7' ? 'file:///code/score.mjs' : undefined))).toBe(true);
});

import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { bundleEntry } from '../../src/environment/bundle.ts';
import { InspectorClient } from '../../src/worker/inspector-client.ts';
import { originalPosition } from '../../src/worker/paused.ts';
import type { PausedFrame } from '../../src/worker/paused.ts';
import type { Agent } from './rig.ts';
import { Workshop } from './rig.ts';

const shop = new Workshop();
beforeAll(() => shop.buildHost());
afterEach(() => shop.endAll());
afterAll(() => shop.remove());

interface Attached {
  readonly client: InspectorClient;
  readonly paused: () => Promise<readonly PausedFrame[]>;
  /** Script id to URL. */
  readonly scripts: ReadonlyMap<string, string>;
}

/** Attaches like an editor does, lets the program start, and gives the place it stops at. */
async function attach(agent: Agent): Promise<Attached> {
  const { url } = await agent.message('debug-waiting');
  const client = new InspectorClient();
  await client.connect(url ?? '');
  const scripts = new Map<string, string>();
  client.on('Debugger.scriptParsed', (event) => {
    const { scriptId, url: place } = event as { scriptId: string; url: string };
    scripts.set(scriptId, place);
  });
  const stops: (readonly PausedFrame[])[] = [];
  let wake = (): void => undefined;
  client.on('Debugger.paused', (event) => {
    stops.push((event as { callFrames: readonly PausedFrame[] }).callFrames);
    wake();
  });
  await client.call('Runtime.enable');
  await client.call('Debugger.enable');
  await client.call('Runtime.runIfWaitingForDebugger');
  const paused = async (): Promise<readonly PausedFrame[]> => {
    while (stops.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return stops.shift() ?? [];
  };
  return { client, paused, scripts };
}

const SCORE = [
  'interface Row { name: string }',
  '',
  'export async function run(paths: string[]): Promise<Row[]> {',
  '  // first',
  '  const rows = paths.map((name) => ({ name }));',
  '  await null;',
  '  return rows;',
  '}',
].join('\n');

test('stops at the first line of run in a TypeScript script, once', async () => {
  const code = shop.code({ 'score.ts': SCORE });
  const outFile = path.join(code, '.parallelrun/score.mjs');
  await bundleEntry({ codeFolder: code, file: 'score.ts', outFile });
  const agent = shop.start(outFile, { codeFolder: code, debug: { port: 0 } });
  agent.run(0, ['a']);
  agent.run(1, ['b']);
  const { client, paused, scripts } = await attach(agent);
  const [frame] = await paused();
  expect(frame?.functionName).toBe('run');
  const { lineNumber = -1, columnNumber = 0, scriptId = '' } = frame?.location ?? {};
  const position = originalPosition(scripts.get(scriptId) ?? '', lineNumber, columnNumber);
  expect({ file: position.file, line: position.line }).toEqual({ file: path.join(code, 'score.ts'), line: 5 });
  expect(agent.received.map((message) => message.m)).toContain('begin');
  await client.call('Debugger.resume');
  expect((await agent.message('done')).k).toBe(1);
  expect((await agent.message('done', 1)).k).toBe(1);
  client.close();
  agent.stop();
  expect(await agent.exited).toEqual({ code: 0, signal: null });
});

test('stops at the first line of run in a JavaScript script', async () => {
  const text =
    "'use strict';\nmodule.exports = {\n  run(paths) {\n    const n = paths.length;\n    return [n];\n  },\n};\n";
  const agent = shop.script(text, { debug: { port: 0 } }, 'score.cjs');
  agent.run(0, ['a']);
  const { client, paused } = await attach(agent);
  const [frame] = await paused();
  expect([frame?.functionName, frame?.location.lineNumber]).toEqual(['run', 3]);
  await client.call('Debugger.resume');
  expect((await agent.message('done')).body.toString()).toBe('1\n');
  client.close();
});

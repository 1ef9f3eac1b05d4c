/** `replay --debug` stops at the first line of run(), under debugpy and under the Node inspector. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InspectorClient } from '../../src/worker/inspector-client.ts';
import { originalPosition } from '../../src/worker/paused.ts';
import type { PausedFrame } from '../../src/worker/paused.ts';
import { DebugClient } from './dap.ts';
import type { Frame } from './dap.ts';
import { TEST_PYTHON, Workspace, hasModule } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('in', { a: 'x', b: 'y' });
});
afterEach(() => {
  space.dispose();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Starts the replay and resolves once it says where the debugger listens. */
async function replayWaiting(port: number) {
  const child = space.spawnCli('replay', 'd/1', '--debug', '--port', String(port));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = once(child, 'close') as Promise<[number]>;
  await expect.poll(() => output, { timeout: 20_000 }).toMatch(new RegExp(`(listen|attach|debugger).*${port}`, 'is'));
  return { ended, output: () => output };
}

test.skipIf(TEST_PYTHON === undefined || !hasModule('debugpy'))(
  'debugpy',
  async () => {
    space.write('score.py', 'def run(mini_batch):\n    """What it does."""\n    n = len(mini_batch)\n    return [n]\n');
    await space.cli(
      'run',
      '--entry-script',
      'score.py',
      '--input',
      'in',
      '--mini-batch-size',
      '1',
      '--python',
      TEST_PYTHON ?? '',
      '--name',
      'd',
    );
    const port = await freePort();
    const { ended, output } = await replayWaiting(port);
    const client = await DebugClient.connect(port);
    client.request('initialize', { adapterID: 'test', pathFormat: 'path', linesStartAt1: true, columnsStartAt1: true });
    await client.next((m) => m.command === 'initialize');
    client.request('attach', { justMyCode: false });
    await client.next((m) => m.event === 'initialized');
    client.request('configurationDone');
    const stopped = await client.next((m) => m.event === 'stopped');
    client.request('stackTrace', { threadId: (stopped.body as { threadId: number }).threadId });
    const trace = await client.next((m) => m.command === 'stackTrace');
    const [frame] = (trace.body as { stackFrames: Frame[] }).stackFrames;
    expect(frame).toMatchObject({ name: 'run', line: 3 });
    expect(frame?.source?.path).toMatch(/score\.py$/);
    client.request('continue', { threadId: (stopped.body as { threadId: number }).threadId });
    const [code] = await ended;
    client.close();
    expect(code, output()).toBe(0);
  },
  60_000,
);

test('the Node inspector, in TypeScript', async () => {
  space.write(
    'score.ts',
    'export function run(miniBatch: string[]): number[] {\n  const n: number = miniBatch.length;\n  return [n];\n}\n',
  );
  await space.cli('run', '--entry-script', 'score.ts', '--input', 'in', '--mini-batch-size', '1', '--name', 'd');
  const port = await freePort();
  const { ended, output } = await replayWaiting(port);
  const url = /ws:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]+/.exec(output())?.[0] ?? '';
  const client = new InspectorClient();
  const frames = new Promise<readonly PausedFrame[]>((resolve) => {
    client.on('Debugger.paused', (event) => {
      resolve((event as { callFrames: PausedFrame[] }).callFrames);
    });
  });
  const scripts = new Map<string, string>();
  client.on('Debugger.scriptParsed', (event) => {
    const { scriptId, url: script } = event as { scriptId: string; url: string };
    scripts.set(scriptId, script);
  });
  await client.connect(url);
  await client.call('Debugger.enable');
  await client.call('Runtime.runIfWaitingForDebugger');
  const [frame] = await frames;
  expect(frame?.functionName).toBe('run');
  const { scriptId = '', lineNumber = -1, columnNumber = 0 } = frame?.location ?? {};
  const { file, line } = originalPosition(scripts.get(scriptId) ?? '', lineNumber, columnNumber);
  expect(file).toMatch(/score\.ts$/);
  expect(line).toBe(2);
  await client.call('Debugger.resume');
  client.close();
  const [code] = await ended;
  expect(code, output()).toBe(0);
}, 60_000);

/** The engine in a process of its own: that process ends by itself after a stop, and leaves nothing when it is killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { findMarkedByJob, isAlive } from '../node/census.ts';
import type { Rig } from '../node/rig.ts';
import { withRig } from '../node/with-rig.ts';

async function startAgent(rig: Rig, orders: object[], then: 'stop' | 'stay' | 'exit') {
  const script = rig.file('agent.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('fixture-agent.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: script,
    logLevel: 'silent',
  });
  const order = rig.file('agent.json');
  const { clock: _clock, logs: _logs, ...options } = rig.options;
  writeFileSync(order, JSON.stringify({ options, orders, then }));
  const child = spawn(process.execPath, [script, order], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return { child, output: () => output };
}

const gone = (rig: Rig) => () => findMarkedByJob(rig.options.layout.temp).length === 0;

test('after stop the process ends by itself', async () => {
  await withRig({}, async (rig) => {
    const { child, output } = await startAgent(rig, [{ do: 'rows' }], 'stop');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(output().trim().split('\n').slice(-3)).toEqual(['worker-ended', 'node-left', 'stopped']);
    expect(gone(rig)()).toBe(true);
  });
});

test.each(['SIGKILL', 'exit'] as const)(
  'an agent that ends by %s takes everything with it, setsid grandchildren too',
  async (how) => {
    await withRig({}, async (rig) => {
      const file = rig.file('grandchild');
      const then = how === 'exit' ? 'exit' : 'stay';
      const { child, output } = await startAgent(
        rig,
        [{ do: 'grandchild', file }, ...(how === 'exit' ? [] : [{ do: 'spin' }])],
        then,
      );
      if (how === 'SIGKILL') {
        await rig.until(() => existsSync(file) && output().includes('try-outcome'), 'the grandchild');
        expect(findMarkedByJob(rig.options.layout.temp)).toHaveLength(2);
        child.kill('SIGKILL');
      } else expect(await once(child, 'exit')).toEqual([7, null]);
      await rig.until(gone(rig), 'the end of all');
      // one that has just been killed has no environment any more to be known by, and its number until it has ended
      const grandchild = Number(readFileSync(file, 'utf8'));
      await rig.until(() => !isAlive(grandchild), 'the end of the grandchild');
    });
  },
);

test('a resumed run ends what a dead agent of it has left', async () => {
  await withRig({}, async (rig) => {
    // as if the guard had been killed too
    const env = {
      ...process.env,
      AZ_BATCHAI_JOB_TEMP: rig.options.layout.temp,
      PARALLELRUN_WORKER: 'run-1/x/Process-1',
      PARALLELRUN_SESSION: 'old',
    };
    const orphan = spawn(process.execPath, ['-e', 'setInterval(()=>{},1e6)'], { env, detached: true, stdio: 'ignore' });
    await once(orphan, 'spawn');
    const ended = once(orphan, 'exit');
    await rig.start();
    expect(await ended).toEqual([null, 'SIGKILL']);
  });
});

import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TestAgent, TestBroker, WHY_NO_BROKER } from './broker.ts';
import { processesOf, Workspace } from './rig.ts';

const COUNT = 60;
const name = (i: number): string => `f${String(i).padStart(3, '0')}`;
/** Each file takes a moment; who ran what is noted, beside all runs. */
const SCRIPT = `
import os, time
SPACE = os.environ["SPACE"]
def run(mini_batch):
    rows = []
    for path in mini_batch:
        base = os.path.basename(path)
        with open(SPACE + "/executions", "a") as f:
            f.write(base + "\\n")
        print("scoring", base)
        time.sleep(float(os.environ.get("PAUSE", "0.05")))
        rows.append("scored " + base)
    return rows
`;
const EXPECTED = Array.from({ length: COUNT }, (_, i) => `scored ${name(i)}`);

if (WHY_NO_BROKER !== undefined) console.log(`runs over a broker are not tested: ${WHY_NO_BROKER}`);

describe.skipIf(WHY_NO_BROKER !== undefined)('a run over a broker', () => {
  let space: Workspace;
  let broker: TestBroker;
  const agents: TestAgent[] = [];

  beforeAll(async () => {
    broker = await TestBroker.start();
  });
  afterAll(async () => {
    await broker.dispose();
  });
  beforeEach(() => {
    space = new Workspace();
    space.write('code/score.py', SCRIPT);
    space.files('in', Object.fromEntries(Array.from({ length: COUNT }, (_, i) => [name(i), 'x'])));
  });
  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.kill();
    space.dispose();
  });

  const agent = (address: string, ...flags: readonly string[]): TestAgent => {
    const made = new TestAgent(broker.url, address, space.folder, ...flags);
    agents.push(made);
    return made;
  };
  const words = (run: string, ...flags: readonly string[]): string[] => [
    ...['run', '--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '1', '--name', run],
    ...['--engine', broker.url, '--nodes', '2', '--processes', '2', '--env', `SPACE=${space.folder}`, ...flags],
  ];
  /** A run that goes on beside the test. */
  const begin = (run: string, ...flags: readonly string[]) => {
    const child = space.spawnCli(...words(run, ...flags));
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
    child.stderr.setEncoding('utf8').on('data', (more: string) => (text += more));
    return { child, ended: once(child, 'exit').then(([code]) => ({ code: code as number | null, text })) };
  };
  const executions = (): string[] => {
    const file = join(space.folder, 'executions');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  };
  const until = async (what: () => boolean, ms = 30_000): Promise<void> => {
    const end = performance.now() + ms;
    while (!what()) {
      if (performance.now() > end) throw new Error('it did not come to that in time');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const master = (run: string): string => space.read(run, 'logs/master.txt');

  it('gives rows in order, and brings the logs of all nodes under their addresses', async () => {
    agent('10.1.0.1');
    agent('10.1.0.2');
    const ended = await space.cli(...words('all'));
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    expect(space.rows('all')).toEqual(EXPECTED);
    expect(executions().sort()).toEqual(EXPECTED.map((row) => row.slice('scored '.length)));
    for (const kind of ['worker', 'user/stdout', 'performance']) {
      expect(space.list('all', `logs/${kind}`)).toEqual(['10.1.0.1', '10.1.0.2']);
    }
    const printed = ['10.1.0.1', '10.1.0.2'].flatMap((node) =>
      space.list('all', `logs/user/stdout/${node}`).flatMap((file) => {
        const text = space.read('all', `logs/user/stdout/${node}/${file}`);
        return [...text.matchAll(/scoring (f\d+)/g)].map((match) => match[1] ?? '');
      }),
    );
    expect(printed.sort()).toEqual(EXPECTED.map((row) => row.slice('scored '.length)));
    // nothing is left on the nodes
    await until(() => agents.every(({ workFolder, address }) => readdirSync(join(workFolder, address)).length === 0));
  });

  it('brings what scripts write, and rows too large for a message', async () => {
    agent('10.1.0.1');
    agent('10.1.0.2');
    space.write(
      'code/score.py',
      `
import os
from azureml.core import Run
OUT = os.environ["AZUREML_BI_OUTPUT_PATH"]
def run(mini_batch):
    base = os.path.basename(mini_batch[0])
    with open(OUT + "/made-" + base, "w") as f:
        f.write(base * 100000)
    Run.get_context().log("seen", int(base[1:]))
    return [base + "x" * 400000, base + "y" * 400000]
`,
    );
    const ended = await space.cli(...words('large', '--append-row-to', 'rows.txt'));
    expect(ended.code, ended.stdout + ended.stderr).toBe(0);
    const names = Array.from({ length: COUNT }, (_, i) => name(i));
    expect(space.rows('large', 'rows.txt')).toEqual(
      names.flatMap((n) => [n + 'x'.repeat(400000), n + 'y'.repeat(400000)]),
    );
    for (const n of names) expect(space.read('large', `outputs/made-${n}`)).toBe(n.repeat(100000));
    const metrics = await space.cli('metrics', 'large', '--json');
    expect(metrics.stdout).toContain('"last":59');
    expect(metrics.stdout).toContain('"count":60,"min":0,"max":59,"mean":29.5');
    expect(space.list('large', 'records')).toEqual(['10.1.0.1', '10.1.0.2']);
  });

  it('goes on when an agent is killed: nothing is lost, nothing committed twice', async () => {
    agent('10.1.0.1');
    const second = agent('10.1.0.2');
    const { ended } = begin('killed');
    await until(() => executions().length > 12);
    await second.kill();
    const { code, text } = await ended;
    expect(code, text).toBe(0);
    expect(space.rows('killed')).toEqual(EXPECTED);
    expect(master('killed')).toMatch(/node 10\.1\.0\.2 is lost/);
    // what two workers had under way at most
    expect(executions().length).toBeLessThanOrEqual(COUNT + 2 * 2);
  }, 60_000);

  it('goes on when the broker is killed and comes back, with its data and without', async () => {
    agent('10.1.0.1');
    agent('10.1.0.2');
    const { ended } = begin('broker', '--env', 'PAUSE=0.2');
    await until(() => executions().length > 6);
    await broker.kill();
    await broker.start();
    const seen = executions().length;
    await until(() => executions().length > seen + 8);
    await broker.kill();
    broker.wipe();
    await broker.start();
    const { code, text } = await ended;
    expect(code, text).toBe(0);
    expect(space.rows('broker')).toEqual(EXPECTED);
    expect(executions().length).toBe(COUNT);
    expect(master('broker')).toContain('the broker had lost the streams of the run');
  }, 60_000);

  it('goes on with a new orchestrator when the first is killed', async () => {
    agent('10.1.0.1');
    agent('10.1.0.2');
    const { child, ended } = begin('orphan');
    await until(() => executions().length > 12);
    child.kill('SIGKILL');
    await ended;
    const resumed = await space.cli('resume', 'orphan');
    expect(resumed.code, resumed.stdout + resumed.stderr).toBe(0);
    expect(space.rows('orphan')).toEqual(EXPECTED);
  }, 60_000);

  it('is left in order by an agent that is told to end; the others take over at once', async () => {
    agent('10.1.0.1');
    const second = agent('10.1.0.2');
    const { ended } = begin('left');
    await until(() => executions().length > 12);
    expect(await second.leave()).toBe(0);
    const { code, text } = await ended;
    expect(code, text).toBe(0);
    expect(space.rows('left')).toEqual(EXPECTED);
    expect(executions().length).toBe(COUNT);
    expect(master('left')).toContain('node 10.1.0.2 leaves: its agent was told to end');
  }, 60_000);

  it('lets go of an agent that stands still, whose workers end before others have their work', async () => {
    agent('10.1.0.1');
    const second = agent('10.1.0.2');
    const { ended } = begin('still', '--env', 'PAUSE=1.5');
    await until(() => executions().length > 6);
    expect(processesOf(second.workFolder).length).toBe(2);
    second.process.kill('SIGSTOP');
    await until(() => master('still').includes('node 10.1.0.2 is lost'));
    const before = processesOf(second.workFolder);
    second.process.kill('SIGCONT');
    expect(before).toEqual([]);
    const { code, text } = await ended;
    expect(code, text).toBe(0);
    expect(space.rows('still')).toEqual(EXPECTED);
    // the two that were under way, and no other
    expect(executions().length).toBeLessThanOrEqual(COUNT + 2);
    expect(space.list('still', 'logs/worker/10.1.0.2').length).toBeGreaterThan(2);
  }, 90_000);

  it('can be canceled, and its nodes serve the next run', async () => {
    agent('10.1.0.1');
    agent('10.1.0.2');
    const { ended } = begin('canceled', '--env', 'PAUSE=0.5');
    await until(() => executions().length > 4);
    expect((await space.cli('cancel', 'canceled', '--now')).code).toBe(0);
    expect((await ended).code).toBe(130);
    const next = await space.cli(...words('next'));
    expect(next.code, next.stdout + next.stderr).toBe(0);
    expect(space.rows('next')).toEqual(EXPECTED);
  }, 60_000);
});

describe('an engine that can not be used', () => {
  let space: Workspace;
  beforeEach(() => {
    space = new Workspace();
    space.write('score.py', 'def run(b): return b\n');
    space.files('in', { a: 'x' });
  });
  afterEach(() => space.dispose());
  const run = (engine: string) => space.cli('run', '--entry-script', 'score.py', '--input', 'in', '--engine', engine);

  it('is named before anything is started, without its password', async () => {
    const ended = await run('nats://user:secret@127.0.0.1:9');
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain('PR6003');
    expect(ended.stderr).not.toContain('secret');
    expect(existsSync(space.root) ? readdirSync(space.root) : []).toEqual([]);
  });

  it('has an address that can be read, or is refused with how one looks', async () => {
    const ended = await run('http://user:secret@host');
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain('PR6001');
    expect(ended.stderr).toContain('nats://host:4222');
    expect(ended.stderr).not.toContain('secret');
  });
});

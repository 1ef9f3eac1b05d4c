import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/domain/event.ts';
import { epochMs } from '../../src/domain/ids.ts';
import type { RunId } from '../../src/domain/ids.ts';
import { TERM_BOUND_MS } from '../../src/cli/signals.ts';
import type { RunHandle, RunResult } from '../../src/sdk/types.ts';
import { eventsOf, FakeWorld, NOW, planFor, statusOf, until, type Story } from './fakes.ts';

/** A run that ends when the test says so. */
class FakeRun implements RunHandle {
  readonly runId = 'demo' as RunId;
  readonly folder = '/somewhere/runs/demo';
  readonly plan = planFor('demo', '/somewhere/runs');
  readonly warnings = [{ code: 'PR1002', severity: 'warning', what: 'unknown key' }] as const;
  readonly cancels: string[] = [];
  story: Story;
  private end: (result: RunResult) => void = () => undefined;
  private readonly ended: Promise<RunResult>;

  constructor(story: Story) {
    this.story = story;
    this.ended = new Promise((resolve) => (this.end = resolve));
  }
  async *events(): AsyncGenerator<RunEvent> {
    const { ends, ...going } = this.story;
    yield* eventsOf(going);
    await this.ended;
    const [last] = eventsOf({ ...this.story, ...(ends === undefined ? {} : { ends }) }).slice(-1);
    yield last ?? { type: 'run-ended', at: epochMs(NOW), state: 'Failed', exitCode: 1 };
  }
  status() {
    return statusOf(this.story);
  }
  result() {
    return this.ended;
  }
  cancel(how = 'orderly', by = 'command') {
    this.cancels.push(`${how} ${by}`);
  }
  finish(story: Story): void {
    this.story = story;
    const status = statusOf(story);
    const state = story.ends ?? 'Failed';
    this.end({ runId: this.runId, folder: this.folder, state, exitCode: status.exitCode ?? 1, status });
  }
}

function begin(options: { terminal?: boolean; env?: Record<string, string> } = {}, story: Story = { done: 10 }) {
  const world = new FakeWorld(options);
  world.env = options.env ?? {};
  const run = new FakeRun(story);
  world.sdk = { start: () => Promise.resolve(run), openRun: () => Promise.reject(new Error('not needed')) };
  return { world, run };
}

/** The run was started and shows itself. */
async function started(world: FakeWorld): Promise<void> {
  const people = () => world.stdout.text + world.stderr.text;
  await until(() => people().includes('logs    /somewhere/runs/demo/logs'), 'the run shows itself');
}

const completed: Story = { created: 100, done: 100, ends: 'Completed' };
const failed: Story = { created: 100, done: 98, failed: 2, ends: 'Failed' };

describe('run for people', () => {
  it('into a pipe: plain lines, the cause last', async () => {
    const { world, run } = begin();
    const exit = world.main('run', 'job.yml');
    await started(world);
    expect(world.stdout.lines()).toEqual([
      'run     demo  (score.py, 2 processes)',
      'output  /somewhere/runs/demo/outputs/parallel_run_step.txt',
      'logs    /somewhere/runs/demo/logs',
    ]);
    world.tick(10_000);
    expect(world.stdout.lines()).toHaveLength(4);
    expect(world.stdout.lines()[3]).toContain('10 of 100 mini-batches (10 %)');
    run.finish(failed);
    expect(await exit).toBe(1);
    const last = world.stdout.lines().slice(4);
    expect(last[0]).toBe('Run demo failed');
    expect(last.join('\n')).toContain('error PR2101  ValueError: bad pixel\n  hit    2 mini-batches (2 tries)');
    expect(last).toContain('  next   parallelrun replay demo/98');
    expect(last.at(-1)).toBe('logs    /somewhere/runs/demo/logs');
    // eslint-disable-next-line no-control-regex
    expect(world.stdout.text).not.toMatch(/[\r\x1b]/);
    expect(world.stderr.text).toContain('warning PR1002  unknown key');
    expect(world.timers.size).toBe(0);
    expect(world.listeners.size).toBe(0);
  });

  it('onto a terminal: a window that is gone at the end', async () => {
    const { world, run } = begin({ terminal: true });
    const exit = world.main('run', 'job.yml');
    await started(world);
    expect(world.stdout.text).toContain('10 %');
    run.story = { done: 50 };
    world.tick(100);
    expect(world.stdout.text).toContain('\x1b[4A\x1b[0J');
    run.finish(completed);
    expect(await exit).toBe(0);
    const afterWindow = world.stdout.text.slice(world.stdout.text.lastIndexOf('\x1b[0J') + 4);
    expect(afterWindow).toContain('Run demo completed');
    expect(afterWindow).toContain('output  /runs/demo/outputs/parallel_run_step.txt');
    expect(world.timers.size).toBe(0);
  });

  it.each([{ NO_COLOR: '1' }, { TERM: 'dumb' }, { CI: 'true' }])('onto a terminal with %j: no redraw', async (env) => {
    const { world, run } = begin({ terminal: true, env });
    const exit = world.main('run', 'job.yml');
    await started(world);
    world.tick(10_000);
    run.finish(completed);
    expect(await exit).toBe(0);
    // eslint-disable-next-line no-control-regex
    expect(world.stdout.text).not.toMatch('CI' in env ? /\r|\x1b\[\d*[AJ]/ : /[\r\x1b]/);
  });
});

describe('run --json', () => {
  it('writes every event, then the result; people read standard error', async () => {
    const { world, run } = begin();
    const exit = world.main('run', 'job.yml', '--json');
    await started(world);
    run.finish(completed);
    expect(await exit).toBe(0);
    const lines = world.stdout.json();
    const going = eventsOf({ done: 10 }).map((event) => event.type);
    expect(lines.map((line) => line['type'])).toEqual(['problem', ...going, 'run-ended', 'result']);
    expect(lines.at(-1)).toMatchObject({ type: 'result', runId: 'demo', state: 'Completed', exitCode: 0 });
    expect(world.stderr.text).toContain('Run demo completed');
  });

  it('a reader that goes away changes nothing about the run', async () => {
    const { world, run } = begin();
    world.stdout.closeAfter = 2;
    const exit = world.main('run', 'job.yml', '--json');
    await started(world);
    run.finish(failed);
    expect(await exit).toBe(1);
    expect(world.stdout.lines()).toHaveLength(2);
    expect(run.cancels).toEqual([]);
  });
});

describe('run --json', () => {
  it('events that cannot be read end the telling, not the run', async () => {
    const { world, run } = begin();
    run.events = () => {
      throw new Error('ledger is cut');
    };
    const exit = world.main('run', 'job.yml', '--json');
    await started(world);
    run.finish(completed);
    expect(await exit).toBe(0);
    expect(world.stdout.json().map((line) => [line['type'], line['code']])).toEqual([
      ['problem', 'PR1002'],
      ['problem', 'PR5999'],
      ['result', undefined],
    ]);
  });
});

describe('signals during run', () => {
  it('Ctrl-C once and twice', async () => {
    const { world, run } = begin();
    const exit = world.main('run', 'job.yml');
    await started(world);
    world.signal('SIGINT');
    expect(run.cancels).toEqual(['orderly SIGINT']);
    expect(world.stdout.text).toContain('Ctrl-C again kills them at once');
    world.signal('SIGINT');
    expect(run.cancels).toEqual(['orderly SIGINT', 'now SIGINT']);
    run.finish({ created: 100, done: 11, ends: 'Canceled', exitCode: 130 });
    expect(await exit).toBe(130);
    expect(world.stdout.text).toContain('Run demo was canceled');
    expect(world.listeners.size).toBe(0);
  });

  it('SIGTERM ends orderly, at once when its time is over', async () => {
    const { world, run } = begin();
    const exit = world.main('run', 'job.yml');
    await started(world);
    world.signal('SIGTERM');
    expect([...world.timers].some((timer) => timer.ms === TERM_BOUND_MS && !timer.every)).toBe(true);
    world.tick(TERM_BOUND_MS);
    expect(run.cancels).toEqual(['orderly SIGTERM', 'now SIGTERM']);
    run.finish({ created: 100, done: 11, ends: 'Canceled', exitCode: 143 });
    expect(await exit).toBe(143);
    expect(world.timers.size).toBe(0);
  });

  it('a signal before there is a run reaches it as soon as it is there', async () => {
    const { world, run } = begin();
    let begun: ((run: RunHandle) => void) | undefined;
    world.sdk = { ...world.sdk, start: () => new Promise((resolve) => (begun = resolve)) };
    const exit = world.main('run', 'job.yml');
    await until(() => begun !== undefined, 'the start is asked for');
    world.signal('SIGINT');
    begun?.(run);
    await until(() => run.cancels.length > 0, 'the run is canceled');
    expect(run.cancels).toEqual(['orderly SIGINT']);
    run.finish({ created: 0, ends: 'Canceled', exitCode: 130 });
    expect(await exit).toBe(130);
  });

  it('a signal while nothing is started aborts, with an exit code of its own', async () => {
    const { world } = begin();
    let asked = false;
    world.sdk = {
      start: (_request, options) => {
        asked = true;
        return new Promise((_resolve, reject) =>
          options?.signal?.addEventListener('abort', () => reject(new Error('aborted'))),
        );
      },
    };
    const exit = world.main('run', 'job.yml', '--json');
    await until(() => asked, 'the start is asked for');
    world.signal('SIGTERM');
    expect(await exit).toBe(143);
    expect(world.stdout.json()).toMatchObject([{ type: 'problem', code: 'PR5905' }]);
    expect(world.stderr.text).toContain('Canceling: no mini-batch has been started.\n');
    expect(world.timers.size).toBe(0);
  });
});

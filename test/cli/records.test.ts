/** `metrics` and `models`: what they show, and what they take. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NewModel } from '../../src/sdk/index.ts';
import { RecordsFold } from '../../src/views/records.ts';
import { FakeWorld, NOW, planFor } from './fakes.ts';

let world: FakeWorld;
let root: string;
beforeEach(() => {
  world = new FakeWorld();
  root = mkdtempSync(join(tmpdir(), 'cli-'));
  world.env = { PARALLELRUN_ROOT: root };
  mkdirSync(join(root, 'demo/state'), { recursive: true });
  writeFileSync(join(root, 'demo/state/plan.json'), '{}');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const AT = '2026-11-23T12:00:00.000000Z';
const FACTS = [
  { kind: 'metric', run: 'demo', name: 'loss', value: 0.123456789 },
  { kind: 'metric', run: 'demo', name: 'loss', value: 1 },
  { kind: 'row', run: 'demo', name: 'row\u001b[31m', value: { a: 1 } },
  { kind: 'tag', run: 'demo', name: 'stage', value: 'test' },
  { kind: 'property', run: 'demo', name: 'p', value: 'q' },
  { kind: 'file', run: 'demo', name: 'plots/a.png', value: 2048 },
  { kind: 'model', run: 'demo', name: 'digits', value: 3 },
  { kind: 'child', run: 'c1', name: 'train', value: 'demo' },
  { kind: 'metric', run: 'c1', name: 'loss', value: 7 },
  { kind: 'child-end', run: 'c1', state: 'Failed', error: 'ValueError: no' },
  { kind: 'child', run: 'c2', name: 'open', value: 'demo' },
];

function recorded(facts: readonly object[], live = false, lines: readonly string[] = [], rootRunId = 'demo'): void {
  const fold = new RecordsFold('demo', rootRunId);
  for (const fact of facts) fold.line(JSON.stringify({ at: AT, ...fact }));
  for (const line of lines) fold.line(line);
  world.sdk = {
    openRecords: () =>
      Promise.resolve({
        plan: { ...planFor('demo', root), rootRunId },
        live: () => Promise.resolve(live),
        records: () => Promise.resolve(fold.records()),
      }),
  };
}

describe('metrics', () => {
  it('shows all of it, and where the files are', async () => {
    recorded(FACTS, false, ['torn {']);
    expect(await world.main('metrics', 'demo')).toBe(0);
    const text = world.stdout.text;
    expect(text).toMatch(/^METRIC +LAST +COUNT +MIN +MAX +MEAN\nloss +1 +2 +0\.123457 +1 +0\.561728\n/);
    expect(text).toMatch(/\{"a":1\} +1\n/);
    expect(text).not.toContain('\u001b');
    expect(text).toMatch(/TAG +VALUE\nstage +test\n/);
    expect(text).toMatch(/PROPERTY +VALUE\np +q\n/);
    expect(text).toContain(`${root}/demo/files/plots/a.png`);
    expect(text).toMatch(/MODEL REGISTERED +VERSION\ndigits +3\n/);
    expect(text).toMatch(/train +Failed +c1 +loss=7 +ValueError: no\n/);
    expect(text).toMatch(/open +Unfinished +c2/);
    expect(text).toMatch(/1 line of .*records can't be read/);
  });

  it('says what was dropped since when, the first of several processes', async () => {
    const drop = { kind: 'dropped', run: 'demo', name: 'records', value: 'more than 9 bytes' };
    recorded([
      ...FACTS,
      { ...drop, at: '2026-11-23T12:00:09.000000Z' },
      { ...drop, at: '2026-11-23T12:00:05.000000Z' },
    ]);
    await world.main('metrics', 'demo');
    expect(world.stdout.text).toMatch(
      /\n\nPR2912 records: more than 9 bytes; what came after 2026-11-23T12:00:05\.000000Z was dropped\n$/,
    );
  });

  it('of a run that goes on, an open child is running', async () => {
    recorded(FACTS, true);
    await world.main('metrics', 'demo');
    expect(world.stdout.text).toMatch(/open +Running +c2/);
  });

  it('many children are counted, and only with --json listed', async () => {
    recorded(Array.from({ length: 25 }, (_, i) => ({ kind: 'child', run: `c${i}`, name: `n${i}`, value: 'demo' })));
    await world.main('metrics', 'demo');
    expect(world.stdout.text).toContain('and 5 more child runs');
  });

  it("what was recorded for the pipeline's run stands apart, under its id", async () => {
    recorded([...FACTS, { kind: 'metric', run: 'pipe', name: 'total', value: 9 }], false, [], 'pipe');
    await world.main('metrics', 'demo');
    expect(world.stdout.text).toMatch(/Of the pipeline's run\n\nMETRIC .*\ntotal +9 +1/);
    world.stdout.text = '';
    await world.main('metrics', 'demo', '--json');
    expect(world.stdout.json().filter(({ run }) => run === 'pipe')).toMatchObject([{ type: 'metric', name: 'total' }]);
  });

  it('says so where there is nothing', async () => {
    recorded([]);
    expect(await world.main('metrics', 'demo')).toBe(0);
    expect(world.stdout.text).toContain('has recorded nothing');
  });

  it('as JSON: a line for each, with the id of its run', async () => {
    recorded(FACTS);
    await world.main('metrics', 'demo', '--json');
    const lines = world.stdout.json();
    expect(lines.map(({ type, run, name }) => `${String(type)} ${String(run)} ${String(name)}`)).toEqual([
      'metric demo loss',
      'metric demo row\u001b[31m',
      'tag demo stage',
      'property demo p',
      'file demo plots/a.png',
      'model demo digits',
      'child demo train',
      'metric c1 loss',
      'child demo open',
      'records demo undefined',
    ]);
    expect(lines[0]).toMatchObject({ last: 1, count: 2, min: 0.123456789, max: 1 });
    expect(lines[6]).toMatchObject({ id: 'c1', state: 'Failed', error: 'ValueError: no' });
    expect(lines[8]).toMatchObject({ id: 'c2', state: 'Unfinished' });
  });
});

describe('models', () => {
  const model = {
    name: 'm',
    version: 3,
    path: '/registry/m/3/files/m.pkl',
    created: AT,
    description: '',
    tags: { k: 'v' },
    properties: {},
  };
  const added: NewModel[] = [];
  beforeEach(() => {
    added.length = 0;
    world.sdk = {
      addModel: (_, one) => {
        added.push(one);
        return Promise.resolve(model);
      },
      listModels: (registry, name) => Promise.resolve(registry === '/registry' && name !== 'none' ? [model] : []),
    };
  });

  it('adds: path from the current folder, tags, version', async () => {
    const flags = ['--tag', 'k=v=w', '--tag', 'e=', '--version', '3', '--description', 'd'];
    expect(await world.main('models', 'add', 'm', 'sub/m.pkl', ...flags)).toBe(0);
    expect(added).toEqual([
      {
        name: 'm',
        path: '/somewhere/sub/m.pkl',
        created: new Date(NOW).toISOString().replace('.000', ''),
        tags: { k: 'v=w', e: '' },
        version: 3,
        description: 'd',
      },
    ]);
    expect(world.stdout.text).toBe('m version 3: azureml:m:3\n');
  });

  it('lists, also as JSON', async () => {
    expect(await world.main('models', 'list')).toBe(0);
    expect(world.stdout.text).toMatch(
      /NAME +VERSION +ADDED +TAGS +DESCRIPTION +PATH\nm +3 .* k=v +\/registry\/m\/3\/files\/m.pkl/,
    );
    world.stdout.text = '';
    await world.main('models', 'list', '--name', 'none');
    expect(world.stdout.text).toContain('No models in /registry');
    world.stdout.text = '';
    await world.main('models', 'list', '--json');
    expect(world.stdout.json()).toEqual([{ type: 'model', ...model }]);
  });

  it.each([
    [['models', 'drop', 'm'], /models drop is no such command/],
    [['models', 'add', 'm'], /needs a name and a path/],
    [['models', 'list', 'm'], /--name NAME/],
    [['models', 'add', 'm', 'p', '--version', '0'], /"0" is no value for --version/],
    [['models', 'add', 'm', 'p', '--version', 'x'], /"x" is no value for --version/],
    [['models', 'add', 'm', 'p', '--tag', 'novalue'], /"novalue" is no value for --tag/],
  ])('%j is a slip: exit code 2', async (args, message) => {
    expect(await world.main(...args)).toBe(2);
    expect(world.stderr.text).toMatch(message);
    expect(added).toEqual([]);
  });
});

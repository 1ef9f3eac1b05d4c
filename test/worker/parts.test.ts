/** Parts of a mini-batch, and which item a failure is about. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import type { Agent, ReceivedOf } from './rig.ts';
import { Workshop } from './rig.ts';

type Part = readonly [from: number, to: number];

const shop = new Workshop();
beforeAll(() => shop.buildHost());
afterEach(() => shop.endAll());
afterAll(() => shop.remove());

/** Hand-outs one after the other, each with its own dispatch number. */
class Handing {
  readonly agent: Agent;
  #done = 0;
  #failed = 0;
  #dispatch = 0;

  constructor(agent: Agent) {
    this.agent = agent;
  }

  async done(source: MiniBatchSource | readonly string[], part?: Part): Promise<ReceivedOf<'done'>> {
    this.agent.run(7, source, ++this.#dispatch, 2, part);
    return this.agent.message('done', this.#done++);
  }

  async failed(source: MiniBatchSource | readonly string[], part?: Part): Promise<ReceivedOf<'failed'>> {
    this.agent.run(7, source, ++this.#dispatch, 2, part);
    return this.agent.message('failed', this.#failed++);
  }
}

const NAMES = ['a', 'b', 'c', 'd', 'e'];

describe('files', () => {
  test('a part looks like a mini-batch of its items', async () => {
    const hand = new Handing(
      shop.script(`export const run = (paths, context) => [paths.length, context.minibatchIndex, ...paths];`),
    );
    const parts: readonly (readonly [Part | undefined, string])[] = [
      [[1, 3], 'bc'],
      [[0, 1], 'a'],
      [[4, 5], 'e'],
      [[0, 5], 'abcde'],
      [undefined, 'abcde'],
    ];
    for (const [part, names] of parts) {
      const done = await hand.done(NAMES, part);
      expect(done.n).toBe(names.length);
      expect(done.body.toString()).toBe(
        [String(names.length), '7', ...Array.from(names, (name) => `/data/${name}`), ''].join('\n'),
      );
    }
  });

  test('the part file is that of the dispatch', async () => {
    const hand = new Handing(shop.script(`export const run = (paths) => paths.map(() => 'x'.repeat(100_000));`));
    const parts = [await hand.done(NAMES, [0, 2]), await hand.done(NAMES, [2, 5])].map(({ part }) => part);
    expect(parts).toEqual([
      { path: path.join(hand.agent.partFolder, '7.1.part'), bytes: 200_002 },
      { path: path.join(hand.agent.partFolder, '7.2.part'), bytes: 300_003 },
    ]);
  });

  test.each<[MiniBatchSource, Part]>([
    [{ kind: 'files', root: '/', files: NAMES }, [2, 2]],
    [{ kind: 'files', root: '/', files: NAMES }, [3, 2]],
    [{ kind: 'files', root: '/', files: NAMES }, [0, 6]],
    [{ kind: 'files', root: '/', files: NAMES }, [-1, 2]],
    [{ kind: 'rank', rank: 0 }, [0, 1]],
  ])('%j has no part %j', async (source, part) => {
    const agent = shop.script(`export const run = (paths) => paths;`);
    agent.run(0, source, 1, 1, part);
    expect((await agent.exited).code).toBe(1);
    expect(agent.stderr()).toContain(`part ${part[0]} to ${part[1]} of a mini-batch of`);
  });
});

describe('rows', () => {
  const ROWS = ['1;0.5;a\n', '2;1;"b\nb"\n', ' \n', '3;;NA\r\n', '4;2;\n', '5;7;"q""q"'];
  const SCRIPT = `export const run = (table) => [table.schema.fields.map((field) => String(field.type)), ...table.rows];`;

  function start(rows: readonly string[] = ROWS, count = 5): { hand: Handing; source: MiniBatchSource; file: string } {
    const columns = [
      { name: 'id', type: 'int64' },
      { name: 'x', type: 'float64' },
      { name: 'text', type: 'string' },
    ] as const;
    const tables = [{ format: 'csv', delimiter: ';', schema: { columns } }] as const;
    const agent = shop.script(SCRIPT, { tables, output: { action: 'append_row', format: 'jsonl' } });
    const head = Buffer.from('id;x;text\n');
    const data = Buffer.from(rows.join(''), 'latin1');
    const file = path.join(agent.folder, 'input.csv');
    writeFileSync(file, Buffer.concat([head, data]));
    const end = head.length + data.length;
    const source = { kind: 'rows', file, start: head.length, end, firstRow: 10, rows: count, table: 0 } as const;
    return { hand: new Handing(agent), source, file };
  }

  test('parts have the rows and types of the whole', async () => {
    const { hand, source } = start();
    const [types, ...rows] = (await hand.done(source)).body.toString().trimEnd().split('\n');
    expect(types).toBe('["Int64","Float64","Utf8"]');
    expect(rows).toHaveLength(5);
    for (let from = 0; from < 5; from++) {
      for (let to = from + 1; to <= 5; to++) {
        const done = await hand.done(source, [from, to]);
        expect(done.n).toBe(to - from);
        expect(done.body.toString().trimEnd().split('\n')).toEqual([types, ...rows.slice(from, to)]);
      }
    }
  });

  test.each(['x;1;t\n', '4;2;t;more\n', '4;2;\u00ff\n'])(
    'a row that cannot be read (%j) keeps only its own part from being run, and is named',
    async (bad) => {
      const { hand, source } = start(ROWS.with(4, bad));
      for (const part of [
        [0, 3],
        [1, 2],
        [4, 5],
      ] as const) {
        expect((await hand.done(source, part)).n).toBe(part[1] - part[0]);
      }
      for (const part of [[2, 4], [3, 4], [0, 5], undefined] as const) {
        const failed = await hand.failed(source, part);
        expect(failed).toMatchObject({ item: 3, n: part ? part[1] - part[0] : 5, error: { kind: 'input-error' } });
        expect('reason' in failed.error && failed.error.reason).toContain('data row 13');
      }
    },
  );

  test('of a file that was changed no part is read, and no row is named', async () => {
    const { hand, source, file } = start(ROWS, 6);
    const failed = await hand.failed(source, [0, 2]);
    expect(failed.error).toMatchObject({ reason: expect.stringContaining('5 rows where 6 were counted') as string });
    expect(failed).not.toHaveProperty('item');
    writeFileSync(file, 'id;x;text\n1;2;a\n\n2;3;"open\n'.padEnd(60, 'x'));
    const open = await hand.failed({ ...source, end: 60, rows: 2 } as MiniBatchSource, [0, 1]);
    expect(open.error).toMatchObject({ reason: 'a quoted field is not closed, data row 11' });
    expect(open).not.toHaveProperty('item');
    rmSync(file);
    expect((await hand.failed(source, [0, 2])).error).toMatchObject({ errno: 'ENOENT' });
  });
});

describe('item of a failure', () => {
  test.each<[script: string, part: Part | undefined, item: number | undefined]>([
    ['paths.map((path) => path.endsWith("d") ? bad : path)', undefined, 3],
    ['paths.map((path) => path.endsWith("d") ? bad : path)', [2, 5], 3],
    ['[bad]', [3, 4], 3],
    ['[...paths, "more", bad]', undefined, undefined],
    ['["more", bad]', undefined, undefined],
    ['(function* () { for (const path of paths) yield path.endsWith("d") ? bad : path; })()', [1, 5], 3],
    ['(function* () { yield* paths; yield bad; })()', undefined, undefined],
    ['(async function* () { yield 1; yield bad; })()', [2, 4], 3],
  ])('%s in part %j: a row that cannot be written', async (returned, part, item) => {
    const hand = new Handing(
      shop.script(`const bad = { get x() { throw new Error('no'); } };\nexport const run = (paths) => ${returned};`, {
        output: { action: 'append_row', format: 'jsonl' },
      }),
    );
    const failed = await hand.failed(NAMES, part);
    expect(failed.error.kind).toBe('unencodable-row');
    expect(failed.item).toBe(item);
  });

  test('a file that the system names', async () => {
    const hand = new Handing(
      shop.script(`
        import { readFileSync, readdirSync } from 'node:fs';
        export function run(paths) {
          for (const path of paths) {
            if (path.endsWith('dir')) readFileSync(path);
            try {
              readdirSync(path);
            } catch (cause) {
              throw path.endsWith('known') ? cause : new Error('cannot', { cause });
            }
          }
          readFileSync('/not/there');
        }`),
    );
    const files = (...names: string[]): MiniBatchSource => ({ kind: 'files', root: hand.agent.folder, files: names });
    expect(await hand.failed(files('work', 'known'))).toMatchObject({ item: 1, error: { kind: 'input-error' } });
    expect(await hand.failed(files('parts', 'parts', 'other'), [1, 3])).toMatchObject({
      item: 2,
      error: { kind: 'exception', message: 'cannot' },
    });
    const elsewhere = await hand.failed(files('work', 'parts'));
    expect(elsewhere).toMatchObject({ error: { kind: 'exception' } });
    expect(elsewhere).not.toHaveProperty('item');
  });

  test('a name that is no UTF-8', async () => {
    const hand = new Handing(shop.script(`export const run = (paths) => paths;`));
    expect(await hand.failed(['a', 'x\udcff'], [1, 2])).toMatchObject({ item: 1, n: 1 });
    expect((await hand.done(['a', 'x\udcff'], [0, 1])).body.toString()).toBe('/data/a\n');
  });
});

test('the highest memory of the worker is told where a try failed, and only there', async () => {
  const hand = new Handing(
    shop.script(`
      export function run([path]) {
        if (path.endsWith('large')) Buffer.alloc(150 << 20, 1);
        if (!path.endsWith('good')) throw new Error('no');
        return [1];
      }`),
  );
  const MIB = 1024 * 1024;
  const small = (await hand.failed(['small'])).rss ?? 0;
  const large = (await hand.failed(['large'])).rss ?? 0;
  expect(small).toBeGreaterThan(20 * MIB);
  expect(large - small).toBeGreaterThan(100 * MIB);
  expect(large - small).toBeLessThan(250 * MIB);
  expect(await hand.done(['good'])).not.toHaveProperty('rss');
});

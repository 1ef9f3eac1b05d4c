/** Jobs over data that lies elsewhere, as a user runs them: against the emulator of Blob storage and a server that speaks S3. */
import { existsSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Proxy, pass } from '../remote/proxy.ts';
import { STORES, WHY_NO_BLOB, blobStore, readSignature } from '../remote/servers.ts';
import type { Store } from '../remote/servers.ts';
import { TEST_PYTHON, Workspace, hasModule } from './rig.ts';
import type { Ended } from './rig.ts';

const MINUTE = 60_000;
const SCRIPT = `
import os, sys

def init():
    at = sys.argv.index("--labels") if "--labels" in sys.argv else None
    global labels
    labels = open(sys.argv[at + 1] + "/labels.txt").read().strip() if at else "none"

def run(mini_batch):
    rows = []
    for path in mini_batch:
        text = open(path).read()
        if text == "bad":
            raise ValueError("a bad file")
        rows.append(f"{os.path.basename(path)} {len(text)} {labels}")
    out = os.environ.get("AZUREML_BI_OUTPUT_PATH")
    with open(os.path.join(out, "seen-" + os.path.basename(mini_batch[0])), "w") as file:
        file.write("x")
    return rows
`;
const FILES = Object.fromEntries(
  [
    'a/1.txt',
    'a/10.txt',
    'a/2.txt',
    'a-b.txt',
    'é b/ü+%.txt',
    ...Array.from({ length: 30 }, (_, i) => `n/${i}.txt`),
  ].map((name) => [name, `${name}\n`.repeat(name.length)]),
);
const TABLE = `id,name\n${Array.from({ length: 900 }, (_, i) => `${i},name ${i}`).join('\n')}\n`;
const TABLE_SCRIPT = `
def run(mini_batch):
    return mini_batch[mini_batch.id % 3 == 0]
`;

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.write('code/score.py', SCRIPT);
  vi.stubEnv('PARALLELRUN_CACHE', join(space.folder, 'cache'));
});
afterEach(() => {
  space.dispose();
});

const python = TEST_PYTHON === undefined ? [] : ['--python', TEST_PYTHON];
const said = ({ stdout, stderr }: Ended): string => stdout + stderr;
const run = (name: string, input: string, ...flags: string[]): Promise<Ended> =>
  space.cli(
    ...['run', '--entry-script', 'code/score.py', '--input', input, '--name', name, '--mini-batch-size', '4'],
    ...['--max-retries', '0', ...python, ...flags],
  );
/** All of it is one mini-batch. */
const whole = ['--mini-batch-size', '100'];
async function succeeds(work: Promise<Ended>): Promise<string> {
  const ended = await work;
  expect(ended.code, said(ended)).toBe(0);
  return said(ended);
}
async function fails(work: Promise<Ended>, code: number): Promise<string> {
  const ended = await work;
  expect(ended.code, said(ended)).toBe(code);
  return said(ended);
}
/** Everything that a run, its cache and its output hold, as one text. */
function everything(folder: string): string {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.name}\n${readFileSync(join(entry.parentPath, entry.name), 'latin1')}`)
    .join('\n');
}

describe.each(STORES)('$name', ({ open, missing }) => {
  const it = missing === undefined ? test : test.skip;
  let store: Store;
  let proxy: Proxy;

  beforeAll(async () => {
    if (missing !== undefined) return;
    store = await open();
    for (const [name, content] of Object.entries(FILES)) await store.put(`images/${name}`, content);
    await store.put('labels/labels.txt', 'cat dog');
    await store.put('table/t.csv', TABLE);
  });
  afterAll(async () => {
    if (missing === undefined) await store.stop();
  });
  beforeEach(async () => {
    if (missing !== undefined) return;
    proxy = await new Proxy(store.port).listen();
    for (const [name, value] of Object.entries(store.env(proxy.port))) vi.stubEnv(name, value);
  });
  afterEach(async () => {
    if (missing === undefined) await proxy.close();
  });
  const url = (path: string): string => store.url(path, proxy.port);

  it(
    'the same job from a local folder and from the store gives the same bytes; the second run fetches nothing',
    async () => {
      space.files('images', FILES);
      await succeeds(run('here', 'images'));
      const text = await succeeds(run('there', url('images')));
      expect(text + everything(join(space.root, 'there/logs'))).not.toMatch(
        /NodeVersionSupport|Node\.js version|\(node:\d+\)/,
      );
      expect(text + space.read('there', 'logs/master.txt')).toMatch(/input: 35 of 35 files, .* fetched/);
      const result = space.read('here', 'outputs/parallel_run_step.txt');
      expect(result.split('\n')).toHaveLength(36);
      expect(space.read('there', 'outputs/parallel_run_step.txt')).toBe(result);
      const before = proxy.reads('images/').length;
      expect(await succeeds(run('again', `${url('images')}/`))).toContain('35 files');
      expect(proxy.reads('images/')).toHaveLength(before);
      expect(space.read('again', 'outputs/parallel_run_step.txt')).toBe(result);
      await succeeds(space.cli('verify', 'there'));
    },
    2 * MINUTE,
  );

  it(
    'a pattern takes what it would take of a folder',
    async () => {
      space.files('images', FILES);
      await succeeds(run('here', 'images/*/1*.txt'));
      await succeeds(run('there', url('images/*/1*.txt')));
      expect(space.rows('there').length).toBeGreaterThan(10);
      expect(space.rows('there')).toEqual(space.rows('here'));
      expect(proxy.reads('images/a/2.txt')).toEqual([]);
    },
    2 * MINUTE,
  );

  it(
    'a job file with a side input, and outputs that go to the store',
    async () => {
      space.write(
        'job.yml',
        `type: pipeline
inputs:
  data: { type: uri_folder, path: "${url('images')}" }
  labels: { type: uri_folder, path: "${url('labels')}" }
outputs:
  scores: { type: uri_file, path: "${url('results/scores.txt')}" }
jobs:
  score:
    type: parallel
    mini_batch_size: "4"
    inputs: { images: "\${{parent.inputs.data}}", labels: "\${{parent.inputs.labels}}" }
    outputs: { scores: "\${{parent.outputs.scores}}" }
    input_data: \${{inputs.images}}
    task:
      type: run_function
      code: code
      entry_script: score.py
      program_arguments: --labels \${{inputs.labels}}
      append_row_to: \${{outputs.scores}}
`,
      );
      const valid = await succeeds(space.cli('validate', 'job.yml'));
      expect(valid).toContain('is valid');
      expect(await succeeds(space.cli('plan', 'job.yml', ...python))).toContain('the input is remote, and not listed');
      // Nothing is brought here for that.
      expect(proxy.reads('images/n/')).toEqual([]);
      const text = await succeeds(space.cli('run', 'job.yml', '--name', 'r', ...python));
      expect(text).toContain(`uploaded to ${url('results/scores.txt')}`);
      const result = await store.read('results/scores.txt');
      expect(result).toBe(space.read('r', 'outputs/scores/scores.txt'));
      expect(result?.split('\n')[0]).toMatch(/ cat dog$/);
      // Once there, it is not overwritten unasked: not when the job is read,
      expect(await fails(space.cli('run', 'job.yml', '--name', 'r2', ...python), 2)).toContain('PR3611');
      await succeeds(space.cli('run', 'job.yml', '--name', 'r3', '--overwrite', ...python));
      await store.remove('results/scores.txt');
    },
    2 * MINUTE,
  );

  it(
    'an upload that fails ends the run resumable; resume uploads, and what others wrote meanwhile stays',
    async () => {
      proxy.fault = ({ method, url: path }) =>
        method === 'PUT' && path.includes('out/parallel') ? { do: 'answer', status: 403 } : pass;
      const text = await fails(run('r', url('images/a'), '--output', url('out')), 3);
      expect(text).toMatch(/PR3602/);
      expect(await store.read('out/parallel_run_step.txt')).toBeUndefined();
      // What was uploaded before the run failed is its own: it may be written again.
      expect(await store.read('out/seen-1.txt')).toBe('x');
      proxy.fault = () => pass;
      await store.put('out/parallel_run_step.txt', 'of somebody else');
      expect(await fails(space.cli('resume', 'r'), 3)).toContain('PR3611');
      expect(await store.read('out/parallel_run_step.txt')).toBe('of somebody else');
      await store.remove('out/parallel_run_step.txt');
      await succeeds(space.cli('resume', 'r'));
      expect(await store.read('out/parallel_run_step.txt')).toBe(
        space.read('r', 'outputs/output/parallel_run_step.txt'),
      );
      await store.remove('out/parallel_run_step.txt');
    },
    2 * MINUTE,
  );

  it(
    'dead letters, errors and logs name what was given, not where it was put; replay finds it again',
    async () => {
      await store.put('broken/good.txt', 'good');
      await store.put('broken/worse.txt', 'bad');
      const text = await fails(run('r', url('broken'), '--error-threshold', '0'), 1);
      expect(text).toContain(`${url('broken')}/worse.txt`);
      expect(space.read('r', 'outputs/dead_letters.jsonl')).toContain(`"item":"${url('broken')}/worse.txt"`);
      rmSync(join(space.folder, 'cache'), { recursive: true });
      const replayed = await fails(space.cli('replay', 'r/0', '--item', '1'), 1);
      expect(replayed).toContain('a bad file');
    },
    2 * MINUTE,
  );

  it(
    'resume goes on with the same input, fetched anew where it is gone; one that has changed is refused',
    async () => {
      await store.put('moving/1.txt', 'one');
      await store.put('moving/2.txt', 'bad');
      await fails(run('r', url('moving'), '--error-threshold', '0'), 1);
      rmSync(join(space.folder, 'cache'), { recursive: true });
      await fails(space.cli('resume', 'r', '--retry-failed'), 1);
      await store.put('moving/2.txt', 'good now');
      await store.put('moving/3.txt', 'more');
      const refused = await fails(space.cli('resume', 'r', '--retry-failed'), 4);
      expect(refused).toContain('PR3607');
      expect(refused).toContain('2.txt has changed, 3.txt is new');
      // As it was, from the cache.
      const accepted = await fails(space.cli('resume', 'r', '--retry-failed', '--accept-changed-input'), 1);
      expect(accepted).toContain('a bad file');
    },
    2 * MINUTE,
  );

  it(
    'a run that can not fetch its input is kept, and resumed',
    async () => {
      proxy.fault = ({ method, url: path }) =>
        method === 'GET' && path.includes('images/n/7.txt') ? { do: 'answer', status: 403 } : pass;
      expect(await fails(run('r', url('images'), ...whole), 2)).toContain('PR3602');
      // Refused is refused: nothing is left of the run.
      expect(readdirSync(space.root)).toEqual([]);
      proxy.fault = () => pass;
      const fetched = proxy.reads('images/a/1.txt').length;
      await succeeds(run('r', url('images'), ...whole));
      expect(proxy.reads('images/a/1.txt')).toHaveLength(fetched);
    },
    2 * MINUTE,
  );

  it(
    'a server that does not get well ends it resumable, before a run has begun and at the end of one',
    async () => {
      vi.stubEnv('PARALLELRUN_TEST', '1');
      vi.stubEnv('PARALLELRUN_RETRY_MS', '1');
      proxy.fault = ({ method, url: path }) =>
        method === 'GET' && path.includes('images/n/7.txt') ? { do: 'answer', status: 503 } : pass;
      const text = await fails(run('r', url('images'), ...whole, '--output', url('well')), 3);
      expect(text).toMatch(/PR3604[^]*given up after 8 tries[^]*parallelrun resume r/);
      proxy.fault = ({ method, url: path }) =>
        method === 'PUT' && path.includes('well/parallel') ? { do: 'answer', status: 503 } : pass;
      const fetched = proxy.reads('images/a/1.txt').length;
      expect(await fails(space.cli('resume', 'r'), 3)).toContain('given up after 8 tries');
      expect(proxy.reads('images/a/1.txt')).toHaveLength(fetched);
      let faults = 2;
      proxy.fault = ({ method, url: path }) =>
        method === 'PUT' && path.includes('well/parallel') && faults-- > 0 ? { do: 'reset' } : pass;
      await succeeds(space.cli('resume', 'r'));
      expect((await store.read('well/parallel_run_step.txt'))?.split('\n')).toHaveLength(36);
    },
    2 * MINUTE,
  );

  it(
    'Ctrl-C while it is fetched leaves nothing of the run and no half file; a kill leaves a run that is resumed',
    async () => {
      const stopped = async (name: string, signal: 'SIGINT' | 'SIGKILL'): Promise<number | null> => {
        proxy.fault = ({ method, url: path }) =>
          method === 'GET' && path.includes('images/a/1.txt') ? { do: 'hang' } : pass;
        const args = ['--entry-script', 'code/score.py', '--input', url('images'), '--name', name, ...python];
        const child = space.spawnCli('run', ...args);
        const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
        while (proxy.reads('images/a/1.txt').length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        child.kill(signal);
        proxy.seen.length = 0;
        return ended;
      };
      const halves = (): string[] =>
        (readdirSync(join(space.folder, 'cache'), { recursive: true }) as string[]).filter((name) =>
          name.includes('.part-'),
        );
      expect(await stopped('r', 'SIGINT')).toBe(130);
      expect(readdirSync(space.root)).toEqual([]);
      expect(halves()).toEqual([]);
      await stopped('k', 'SIGKILL');
      proxy.fault = () => pass;
      await succeeds(space.cli('resume', 'k'));
      expect(space.rows('k')).toHaveLength(35);
      // No run holds it any longer.
      expect(readdirSync(join(space.folder, 'cache/data/locks')).filter((name) => name.includes('.use-k'))).toEqual([]);
    },
    2 * MINUTE,
  );

  describe('files that come while the run goes on', () => {
    const isLast = (path: string): boolean => path.includes('images/é b/');
    const hasRun = (name: string): boolean => existsSync(join(space.root, name, 'outputs/seen-1.txt'));

    it(
      'the last ones are asked for when the first mini-batch has run: the same bytes as from a folder',
      async () => {
        vi.stubEnv('PARALLELRUN_TEST', '1');
        vi.stubEnv('PARALLELRUN_RETRY_MS', '1000');
        space.files('images', FILES);
        await succeeds(run('here', 'images'));
        proxy.fault = ({ method, url: path }) =>
          method === 'GET' && isLast(path) && !hasRun('r') ? { do: 'answer', status: 503 } : pass;
        await succeeds(run('r', url('images')));
        expect(space.read('r', 'outputs/parallel_run_step.txt')).toBe(
          space.read('here', 'outputs/parallel_run_step.txt'),
        );
        expect(space.read('r', 'logs/master.txt')).toContain('input: 35 of 35 files');
        await succeeds(space.cli('verify', 'r'));
      },
      2 * MINUTE,
    );

    it(
      'a script that is told the folder finds all of it',
      async () => {
        space.write(
          'code/score.py',
          `import os, sys\ndef init():\n    global count\n    count = sum(len(f) for _, _, f in os.walk(sys.argv[2]))\ndef run(mini_batch):\n    return [count] * len(mini_batch)`,
        );
        space.write(
          'job.yml',
          `type: parallel\ninputs:\n  images: { type: uri_folder, path: ${JSON.stringify(url('images'))} }\noutputs: { o: {} }\ninput_data: \${{inputs.images}}\nmini_batch_size: "4"\ntask:\n  type: run_function\n  code: ./code\n  entry_script: score.py\n  program_arguments: --images \${{inputs.images}}\n  append_row_to: \${{outputs.o}}\n`,
        );
        await succeeds(space.cli('run', 'job.yml', '--name', 'r', ...python));
        expect(space.read('r', 'outputs/o/parallel_run_step.txt')).toBe('35\n'.repeat(35));
      },
      2 * MINUTE,
    );

    it(
      'a server that is lost half way: what ran stays, exit 3, and resume does the rest',
      async () => {
        vi.stubEnv('PARALLELRUN_TEST', '1');
        vi.stubEnv('PARALLELRUN_RETRY_MS', '250');
        proxy.fault = ({ method, url: path }) =>
          method === 'GET' && isLast(path) ? { do: 'answer', status: 503 } : pass;
        const text = await fails(run('r', url('images')), 3);
        expect(hasRun('r')).toBe(true);
        expect(text).toMatch(/503; given up after 8 tries[^]*PR3604[^]*32 of 32[^]*parallelrun resume r/);
        proxy.fault = () => pass;
        const fetched = proxy.reads('images/a/1.txt').length;
        await succeeds(space.cli('resume', 'r'));
        expect(proxy.reads('images/a/1.txt')).toHaveLength(fetched);
        expect(space.rows('r')).toHaveLength(35);
        await succeeds(space.cli('verify', 'r'));
      },
      2 * MINUTE,
    );

    it(
      'Ctrl-C ends what is waited for; nothing holds the cache any longer; resume goes on',
      async () => {
        proxy.fault = ({ method, url: path }) => (method === 'GET' && isLast(path) ? { do: 'hang' } : pass);
        const args = ['--entry-script', 'code/score.py', '--input', url('images'), '--name', 'r', ...python];
        const child = space.spawnCli('run', ...args, '--mini-batch-size', '4');
        const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
        while (!hasRun('r')) await new Promise((resolve) => setTimeout(resolve, 20));
        child.kill('SIGINT');
        expect(await ended).toBe(130);
        expect((await space.status('r')).state).toBe('Canceled');
        expect(readdirSync(join(space.folder, 'cache/data/locks'))).toEqual([]);
        proxy.fault = () => pass;
        await succeeds(space.cli('resume', 'r'));
        expect(space.rows('r')).toHaveLength(35);
      },
      2 * MINUTE,
    );

    it(
      'a test of the first mini-batch does not wait for the rest',
      async () => {
        proxy.fault = ({ method, url: path }) => (method === 'GET' && isLast(path) ? { do: 'hang' } : pass);
        const args = ['--entry-script', 'code/score.py', '--input', url('images'), '--mini-batch-size', '4'];
        expect(await succeeds(space.cli('test', ...args, ...python))).toContain('a-b.txt');
      },
      2 * MINUTE,
    );
  });

  it(
    'an MLTable folder that lies elsewhere: its paths count from it, what it transforms is transformed',
    async () => {
      await store.put('mlt/MLTable', 'paths: [ { file: ./a.csv }, { pattern: "more/*.csv" } ]\ntransformations:\n  - read_delimited\n  - drop_columns: b\n  - filter: col("a") > 1\n'); // prettier-ignore
      await store.put('mlt/a.csv', 'a,b\n1,x\n2,y\n');
      await store.put('mlt/more/c.csv', 'a,b\n3,z\n');
      space.write('code/rows.ts', 'export const run = (table: { rows: object[] }) => table.rows.map((row) => JSON.stringify(row));'); // prettier-ignore
      const job = (table: string): string => `type: pipeline
jobs:
  s:
    type: parallel
    inputs: { t: { type: mltable, path: ${JSON.stringify(table)} } }
    input_data: \${{inputs.t}}
    outputs: { o: { type: uri_file } }
    task: { code: ./code, entry_script: rows.ts, append_row_to: "\${{outputs.o}}" }
`;
      space.write('job.yml', job(url('mlt')));
      await succeeds(space.cli('run', 'job.yml', '--name', 'm'));
      expect(space.read('m', 'outputs/o')).toBe('{"a":2}\n{"a":3}\n');
      expect(everything(join(space.root, 'm'))).not.toContain('sig=');
      space.write('job.yml', job(url('labels')));
      expect(await fails(space.cli('run', 'job.yml', '--name', 'n'), 2)).toMatch(/labels\/MLTable cannot be read/);
    },
    2 * MINUTE,
  );

  describe('commands of a pipeline', () => {
    const job = (label = 'cat'): string => `type: pipeline
jobs:
  prepare:
    type: command
    is_deterministic: true
    command: >-
      grep -q ${label} \${{inputs.labels}}/labels.txt && wc -c < \${{inputs.one}} > \${{outputs.made}}/size.txt &&
      cat \${{inputs.labels}}/labels.txt > \${{outputs.copy}}
    inputs:
      labels: { type: uri_folder, path: ${JSON.stringify(url('labels'))} }
      one: { type: uri_file, path: ${JSON.stringify(url('images/a/1.txt'))} }
    outputs:
      made: { type: uri_folder, path: ${JSON.stringify(url('made-${{name}}'))} }
      copy: { type: uri_file, path: ${JSON.stringify(url('copy-${{name}}.txt'))} }
  score:
    type: parallel
    inputs: { data: "\${{parent.jobs.prepare.outputs.made}}" }
    input_data: \${{inputs.data}}
    outputs: { o: { type: uri_file } }
    task: { code: ./code, entry_script: score.py, append_row_to: "\${{outputs.o}}" }
`;

    it(
      'read what lies elsewhere, and what they make goes elsewhere; the next step has it here',
      async () => {
        space.write('job.yml', job());
        const failing = { left: 3 };
        proxy.fault = ({ method }) => (method === 'GET' && failing.left-- > 0 ? { do: 'answer', status: 503 } : pass);
        await succeeds(space.cli('run', 'job.yml', '--name', 'p'));
        expect(failing.left).toBeLessThan(0);
        expect(await store.read('made-p.prepare/size.txt')).toMatch(/^ *56\n$/);
        expect(await store.read('copy-p.prepare.txt')).toBe('cat dog');
        expect(readFileSync(join(space.root, 'p/steps/p.score/outputs/o'), 'utf8')).toMatch(/^size\.txt/);
        expect(readdirSync(join(space.folder, 'cache/data/locks'))).toEqual([]);
      },
      2 * MINUTE,
    );

    it(
      'a command that fails uploads nothing; mended, its pipeline goes on',
      async () => {
        space.write('job.yml', job('elephant'));
        await fails(space.cli('run', 'job.yml', '--name', 'q'), 1);
        expect(await store.read('made-q.prepare/size.txt')).toBeUndefined();
        space.write('job.yml', job());
        await succeeds(space.cli('resume', 'q', '--allow-code-change'));
        expect(await store.read('made-q.prepare-2/size.txt')).toMatch(/56/);
      },
      2 * MINUTE,
    );

    it(
      'a server that denies access fails the step with its words; Ctrl-C ends what is waited for',
      async () => {
        space.write('job.yml', job());
        proxy.fault = ({ method }) => (method === 'GET' ? { do: 'answer', status: 403 } : pass);
        expect(await fails(space.cli('run', 'job.yml', '--name', 'd'), 2)).toMatch(/PR360\d/);
        proxy.fault = ({ method, url: path }) => (method === 'GET' && path.includes('1.txt') ? { do: 'hang' } : pass);
        const child = space.spawnCli('run', 'job.yml', '--name', 'c');
        const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
        await expect.poll(() => proxy.reads('images/a/1.txt').length, { timeout: MINUTE }).toBeGreaterThan(0);
        child.kill('SIGINT');
        expect(await ended).toBe(130);
        expect(readdirSync(join(space.folder, 'cache/data/locks'))).toEqual([]);
      },
      2 * MINUTE,
    );

    it(
      'a step is reused only where what it reads elsewhere is the same',
      async () => {
        const one = job().replaceAll('-${{name}}', '');
        space.write(
          'job.yml',
          one.replace(/outputs:\n {6}made[^]*?copy\.txt"? \}/, 'outputs: { made: {}, copy: { type: uri_file } }'),
        );
        await succeeds(space.cli('run', 'job.yml', '--name', 'r1'));
        const again = await succeeds(space.cli('run', 'job.yml', '--name', 'r2'));
        expect(again).toMatch(/prepare.*(Reused|reused)/);
        await store.put('labels/labels.txt', 'cat and dog');
        try {
          expect(await succeeds(space.cli('run', 'job.yml', '--name', 'r3'))).toMatch(/prepare +Completed/);
        } finally {
          await store.put('labels/labels.txt', 'cat dog');
        }
      },
      2 * MINUTE,
    );
  });

  const onTable = missing === undefined && hasModule('pandas') ? test : test.skip;
  onTable(
    'a table, as a file and as a folder of them, is the table it is here',
    async () => {
      space.write('code/table.py', TABLE_SCRIPT);
      space.write('table/t.csv', TABLE);
      const flags = ['--entry-script', 'code/table.py', '--mini-batch-rows', '100', '--append-row-to', 'out.csv'];
      const onRows = (name: string, input: string) =>
        space.cli('run', '--input', input, '--name', name, ...flags, ...python);
      await succeeds(onRows('here', 'table'));
      for (const [name, path] of [
        ['file', 'table/t.csv'],
        ['folder', 'table'],
      ] as const) {
        await succeeds(onRows(name, url(path)));
        expect(space.read(name, 'outputs/out.csv')).toBe(space.read('here', 'outputs/out.csv'));
      }
      expect(space.read('here', 'outputs/out.csv').split('\n')).toHaveLength(302);
      expect(
        await succeeds(space.cli('test', '--entry-script', 'code/table.py', '--input', url('table/t.csv'), ...python)),
      ).toContain('300');
    },
    2 * MINUTE,
  );

  it(
    'what is not there, and what may not be read, is told before anything starts',
    async () => {
      expect(await fails(run('r', url('nowhere')), 2)).toContain('PR3603');
      proxy.fault = () => ({ do: 'answer', status: 403 });
      expect(await fails(run('r', url('images')), 2)).toContain('PR3602');
      expect(() => statSync(space.root)).toThrow();
    },
    MINUTE,
  );
});

describe('secrets', () => {
  const it = WHY_NO_BLOB === undefined ? test : test.skip;
  it(
    'a signature in the URL opens it for steps and commands, and is in nothing that is stored or shown',
    async () => {
      const store = await blobStore();
      try {
        await store.put('images/1.txt', 'one');
        await store.put('images/2.txt', 'bad');
        const signature = await readSignature();
        const secret = /sig=([^&]+)/.exec(signature)?.[1] ?? 'none';
        const { AZURE_STORAGE_CONNECTION_STRING: connection = '' } = store.env();
        // Where the account is, and nothing that opens it.
        vi.stubEnv('AZURE_STORAGE_CONNECTION_STRING', connection.replace(/AccountKey=[^;]*;/, ''));
        const job = (query: string): string => `type: pipeline
inputs:
  data: { type: uri_folder, path: "${store.url('images')}?${query}" }
jobs:
  look:
    type: command
    command: cat \${{inputs.one}} > \${{outputs.seen}}
    inputs: { one: { type: uri_file, path: "${store.url('images/1.txt')}?${query}" } }
    outputs: { seen: { type: uri_file } }
  score:
    type: parallel
    mini_batch_size: "1"
    error_threshold: 0
    retry_settings: { max_retries: 0 }
    inputs: { images: "\${{parent.inputs.data}}" }
    outputs: { scores: { type: uri_folder } }
    input_data: \${{inputs.images}}
    task: { type: run_function, code: code, entry_script: score.py, append_row_to: "\${{outputs.scores}}" }
`;
        space.write('job.yml', job(signature));
        let shown = await fails(space.cli('run', 'job.yml', '--name', 'r', ...python), 1);
        expect(readFileSync(join(space.root, 'r/steps/r.look/outputs/seen'), 'utf8')).toBe('one');
        shown += await succeeds(space.cli('plan', 'job.yml', '--json', ...python));
        // The signature is taken from the job file again, where it may be another one by now.
        space.write('job.yml', job(await readSignature()));
        rmSync(join(space.folder, 'cache'), { recursive: true });
        shown += await fails(space.cli('resume', 'r', '--retry-failed'), 1);
        shown += said(await space.cli('errors', 'r'));
        space.write('bad.yml', job(signature).replace('uri_folder, path', 'uri_file, path'));
        shown += await fails(space.cli('validate', 'bad.yml'), 2);
        shown += await fails(run('x', `${store.url('images')}?sv=2024-11-04&sig=${secret}`), 2);
        const kept = everything(space.root) + everything(join(space.folder, 'cache'));
        for (const text of [shown, kept]) {
          expect(text).toContain(store.url('images'));
          expect(text).not.toContain(secret);
          expect(text).not.toContain(decodeURIComponent(secret));
        }
      } finally {
        await store.stop();
      }
    },
    2 * MINUTE,
  );

  it(
    'a signature in the profile or in the file of a pipeline is found again when the run, or a step alone, goes on',
    async () => {
      const store = await blobStore();
      try {
        await store.put('images/1.txt', 'bad');
        const signature = await readSignature();
        const { AZURE_STORAGE_CONNECTION_STRING: connection = '' } = store.env();
        vi.stubEnv('AZURE_STORAGE_CONNECTION_STRING', connection.replace(/AccountKey=[^;]*;/, ''));
        const job = (data: string, more = ''): string => `type: pipeline
jobs:
${more}  score:
    type: parallel
    error_threshold: 0
    isolate: false
    retry_settings: { max_retries: 0 }
    inputs: { images: { type: uri_folder, path: "${data}" } }
    outputs: { scores: { type: uri_folder } }
    input_data: \${{inputs.images}}
    task: { code: code, entry_script: score.py, append_row_to: "\${{outputs.scores}}" }
`;
        const anew = async (run: string): Promise<string> => {
          rmSync(join(space.folder, 'cache'), { recursive: true });
          return fails(space.cli('resume', run, '--retry-failed'), 1);
        };
        space.write('parallelrun.config.yml', `datastores: { lake: "${store.url('')}?${signature}" }\n`);
        space.write('job.yml', job('azureml://datastores/lake/paths/images'));
        await fails(space.cli('run', 'job.yml', '--name', 'r', ...python), 1);
        expect(await anew('r')).toContain('a bad file');
        space.write(
          'job.yml',
          job(`${store.url('images')}?${signature}`, '  other: { type: command, command: "true" }\n'),
        );
        await fails(space.cli('run', 'job.yml', '--name', 'p'), 1);
        expect(await anew('p')).toContain('a bad file');
        expect(await anew('p/score')).toContain('a bad file');
      } finally {
        await store.stop();
      }
    },
    2 * MINUTE,
  );

  test(
    'without the client library its name is told',
    async () => {
      space.write(
        'hook.mjs',
        `export async function resolve(name, context, next) {
           if (name.startsWith('@azure/') || name.startsWith('@aws-sdk/')) throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' });
           return next(name, context);
         }`,
      );
      const url = JSON.stringify(`file://${space.folder}/hook.mjs`);
      space.write('register.mjs', `import { register } from 'node:module'; register(${url});`);
      vi.stubEnv('NODE_OPTIONS', `--import=${space.folder}/register.mjs`);
      const blob = await fails(run('r', 'https://acct.blob.core.windows.net/c/x'), 2);
      expect(blob).toMatch(/PR3601[^]*npm install @azure\/storage-blob/);
      expect(await fails(run('r', 's3://bucket/x'), 2)).toMatch(/PR3601[^]*npm install @aws-sdk\/client-s3/);
    },
    MINUTE,
  );
});

/** `--resume_from`: a new run begins with what an earlier one has finished. */
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Workspace } from './rig.ts';

/** Notes each mini-batch that runs; fails where the file `broken` is beside the job. */
const SCRIPT = `import os, sys, time
def run(mini_batch):
    base = os.environ["BASE"]
    while os.path.exists(os.path.join(base, "wait")):
        time.sleep(0.02)
    with open(os.path.join(base, "ran"), "a") as file:
        file.write("".join(os.path.basename(path) for path in mini_batch) + " ")
    for path in mini_batch:
        with open(os.path.join(os.environ["AZUREML_BI_OUTPUT_PATH"], os.path.basename(path) + ".own"), "w") as file:
            file.write("own")
        if open(path).read() == "bad" and os.path.exists(os.path.join(base, "broken")):
            raise ValueError("bad")
    return [[os.path.basename(path), sys.argv[1]] for path in mini_batch]
`;
let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.files('in', { a: 'ok', b: 'ok', c: 'ok', d: 'bad', e: 'ok', f: 'ok' });
  space.write('src/score.py', SCRIPT);
  space.write('broken', '');
});
afterEach(() => {
  space.dispose();
});

const job = (flags: string, size = 2): string => `jobs:
  score:
    type: parallel
    mini_batch_size: ${size}
    max_concurrency_per_instance: 1
    isolate: false
    mini_batch_error_threshold: 0
    retry_settings: { max_retries: 0 }
    environment_variables: { BASE: "${space.folder}" }
    inputs: { data: { type: uri_folder, path: ./in } }
    outputs: { rows: { type: uri_file, path: "\${{name}}.csv" } }
    input_data: \${{inputs.data}}
    task: { code: ./src, entry_script: score.py, append_row_to: "\${{outputs.rows}}", program_arguments: "x ${flags}" }
`;
const run = (name: string, flags: string, size?: number) => {
  space.write('job.yml', job(flags, size));
  return space.cli('run', 'job.yml', '--name', name);
};
const ran = (): string => {
  const text = readFileSync(join(space.folder, 'ran'), 'utf8');
  space.write('ran', '');
  return text;
};
const csv = (names: readonly string[]): string =>
  names
    .map(
      (name) => `${name},x
`,
    )
    .join('');
const ALL = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Names, sizes and times of all files of a run. */
function picture(name: string): readonly string[] {
  const folder = join(space.root, name);
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((file) => [file, statSync(join(folder, file))] as const)
    .filter(([, found]) => found.isFile())
    .map(([file, { size, mtimeMs }]) => `${file} ${size} ${mtimeMs}`);
}

describe('--resume_from', () => {
  it('runs what the earlier run has not finished, and leaves that as it is; a completed one is taken whole', async () => {
    expect((await run('first', '')).code).toBe(1);
    expect(ran().trim().split(' ').sort()).toContain('ab');
    const before = picture('first');
    const finished = (await space.status('first')).miniBatches.succeeded;
    rmSync(join(space.folder, 'broken'));
    const second = await run('second', '--resume_from first --run_max_try 2');
    expect(second.code, second.stdout + second.stderr).toBe(0);
    expect(second.stdout + second.stderr).toContain(`${finished} finished mini-batch`);
    const again = ran();
    expect(again).toContain('cd');
    expect(again).not.toContain('ab');
    expect(again.trim().split(' ')).toHaveLength(3 - finished);
    expect(readFileSync(join(space.folder, 'second.csv'), 'utf8')).toBe(csv(ALL));
    expect(picture('first')).toEqual(before);
    expect((await space.cli('verify', 'second')).code).toBe(0);
    const { miniBatches, items } = await space.status('second');
    expect([miniBatches.succeeded, miniBatches.failed, items.succeeded]).toEqual([3, 0, 6]);
    // what scripts wrote beside the result is there too
    expect(readdirSync(space.folder).filter((name) => name.endsWith('.own'))).toHaveLength(6);

    const third = await run('third', '--resume_from second');
    expect(third.code, third.stdout + third.stderr).toBe(0);
    expect(third.stdout + third.stderr).toContain(
      '3 finished mini-batches of 3 of run second reused: nothing is left to run',
    );
    expect(ran()).toBe('');
    expect(readFileSync(join(space.folder, 'third.csv'), 'utf8')).toBe(csv(ALL));
    expect((await space.cli('verify', 'third')).code).toBe(0);
  });

  it.each([
    ['an argument', (): void => undefined, 'y', 2, 'PR5013', 'not the same: the arguments of the script'],
    ['a mini-batch rule', (): void => undefined, '', 3, 'PR5013', 'the mini-batch rule'],
    ['the script', (): void => { space.write('src/score.py', `${SCRIPT}\n# new`); }, '', 2, 'PR5006', 'the code has changed since run first was started'],
    ['a file more', (): void => { space.write('in/g', 'ok'); }, '', 2, 'PR5007', 'the input of run first is not the one that it began with'],
    ['a file of a finished mini-batch', (): void => { utimesSync(join(space.folder, 'in/a'), 1, 1); }, '', 2, 'PR5011', 'done has changed since'],
  ])('refuses another run than it was: %s', async (_, change, argument, size, code, what) => {
    await run('first', '');
    change();
    const second = await run('second', `${argument} --resume_from first`, size);
    expect(second.code, second.stdout).toBe(4);
    expect(second.stderr).toContain(code);
    expect(second.stderr).toContain(what);
    expect(second.stderr).toContain('leave --resume_from out');
    expect(readdirSync(space.root)).toEqual(['first']);
  }); // prettier-ignore

  it('a run that is not there is told', async () => {
    const ended = await run('second', '--resume_from nowhere');
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining('there is no run nowhere to resume from')]);
    expect((await run('second', '--resume_from ../second')).code).toBe(2);
  });

  it('a step takes that of an earlier pipeline', async () => {
    const pipeline = (flags: string): string => `${job(flags)}  last: { type: command, command: "true" }\n`.replace(', path: "${{name}}.csv"', ''); // prettier-ignore
    space.write('job.yml', pipeline(''));
    expect((await space.cli('run', 'job.yml', '--name', 'one')).code).toBe(1);
    ran();
    rmSync(join(space.folder, 'broken'));
    for (const [i, id] of ['one', 'one/score', 'one.score'].entries()) {
      space.write('job.yml', pipeline(`--resume_from ${id}`));
      const ended = await space.cli('run', 'job.yml', '--name', `next${i}`);
      expect(ended.code, ended.stdout + ended.stderr).toBe(0);
      expect(ran()).not.toContain('ab');
      const rows = join(space.root, `next${i}/steps/next${i}.score/outputs/rows`);
      expect(readFileSync(rows, 'utf8').split('\n')).toHaveLength(7);
      // what the script has written beside the result
      expect(existsSync(join(rows, '../a.own'))).toBe(true);
    }
  });

  it('a run that is worked on is refused', async () => {
    space.write('wait', '');
    space.write('job.yml', job(''));
    const first = space.spawnCli('run', 'job.yml', '--name', 'first');
    const ended = once(first, 'close');
    const lock = join(space.root, 'first/state/ledger.journal');
    while (!existsSync(lock)) await new Promise((resolve) => setTimeout(resolve, 20));
    const second = await run('second', '--resume_from first');
    expect([second.code, second.stderr]).toEqual([4, expect.stringContaining('PR5004')]);
    expect(readdirSync(space.root)).toEqual(['first']);
    rmSync(join(space.folder, 'wait'));
    await ended;
  });
});

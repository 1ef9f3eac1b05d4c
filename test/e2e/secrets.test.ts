/** What must not leak, what must not be run, what must not be readable by others. */
import { lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deadLetters } from './model.ts';
import { CLI, Workspace, runCommand, spawnIn } from './rig.ts';

const REPO = fileURLToPath(new URL('../..', import.meta.url));

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/** Paths of all files below a folder, relative to it. */
const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => lstatSync(join(folder, path)).isFile());

test('values of environment variables stand in the private plan and nowhere else, whatever fails and is shown', async () => {
  const canaries = ['canary-flag-8f1c', 'canary-outside-77aa', 'canary-file-4e02'];
  space.files('in', { a: 'x', b: 'x' });
  space.write(
    'score.py',
    'import os\ndef init():\n    assert os.environ["IN_FILE"] and os.environ["OUTSIDE"]\n' +
      'def run(b):\n    assert os.environ["TOKEN"]\n    raise ValueError("no luck")\n',
  );
  space.write(
    'job.yml',
    [
      ...['type: pipeline', 'jobs:', '  score:', '    type: parallel', '    inputs:', '      data:'],
      ...['        type: uri_folder', '        path: ./in', '    input_data: ${{inputs.data}}'],
      ...['    environment_variables:', `      IN_FILE: ${canaries[2] ?? ''}`, '    task:', '      type: run_function'],
      ...['      code: .', '      entry_script: score.py', ''],
    ].join('\n'),
  );
  const env = { PARALLELRUN_ROOT: space.root, OUTSIDE: canaries[1] ?? '', NO_COLOR: '1' };
  const cli = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await runCommand(process.execPath, [CLI, ...args], space.folder, env);
    return { code, text: stdout + stderr };
  };
  const flags = ['--env', `TOKEN=${canaries[0] ?? ''}`, '--max-retries', '0', '--name', 's', '--json'];
  const run = await cli('run', 'job.yml', ...flags);
  expect(run.code, run.text).toBe(0);
  const shown = [run, await cli('plan', 'job.yml', ...flags.slice(0, 2)), await cli('status', 's', '--json')];
  shown.push(await cli('errors', 's', '--json'), await cli('list', '--json'), await cli('verify', 's', '--json'));
  shown.push(await cli('replay', 's/0'));
  for (const canary of canaries) {
    for (const { text } of shown) expect(text).not.toContain(canary);
    const found = filesBelow(space.root).filter((path) => readFileSync(join(space.root, path)).includes(canary));
    // Private, as the plan is: the job file as its owner wrote it.
    const allowed = ['s/state/plan.json', 's/state/job.yml', 's/state/code/job.yml'];
    expect(found.filter((path) => !allowed.includes(path))).toEqual([]);
  }
}, 60_000);

test('with a umask that allows everything, state and its files are still their owner’s alone', async () => {
  space.files('in', Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`f${i}`, ''])));
  space.write('score.py', 'import os\ndef run(b):\n    os.umask(0)\n    return ["x" * 100000 for _ in b]\n');
  const args = ['run', '--entry-script', 'score.py', '--input', 'in', '--mini-batch-size', '1', '--name', 'u'];
  const child = spawnIn(space, ['sh', '-c', 'umask 0 && exec "$@"', 'sh', process.execPath, CLI, ...args]);
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(code).toBe(0);
  const state = join(space.root, 'u/state');
  expect(lstatSync(state).mode & 0o777).toBe(0o700);
  // Nobody gets through the folder; the files that hold rows and secrets are closed themselves too.
  for (const name of ['plan.json', 'ledger.journal', 'rows.spool', 'manifest.jsonl', 'parts', 'capture']) {
    expect([name, lstatSync(join(state, name)).mode & 0o077]).toEqual([name, 0]);
  }
  expect(lstatSync(join(space.root, 'u/outputs/parallel_run_step.txt')).mode & 0o111).toBe(0);
}, 60_000);

test('names and arguments are data: no shell, no option, no formula, no row of a report comes of them', async () => {
  const evil = [
    ...['$(touch canary)', '`touch canary`', '; touch canary #', '&& touch canary', '-rf', '--help', '*', '~', '{a,b}'],
    ...['%s%n', '${HOME}', 'a,b', 'q"q', "q'q", 'new\nline', 'cr\rx', '\u001b[2J\u001b]0;x\u0007', '=cmd|x!A1', '+1'],
    ...['@x', '<img src=x onerror=alert(1)>', 'javascript:x', 'file:', '{{7*7}}', '\u202egnp.exe', 'a\\b'],
    ...['-oProxyCommand=x', 'https:', '#', '%2e%2e%2f'],
  ];
  const input = join(space.folder, 'in $(touch canary)');
  mkdirSync(input);
  for (const name of evil) writeFileSync(join(input, name), '');
  const script = space.write(
    'co de $(touch canary)/score $(touch canary).py',
    'import os, sys\ndef run(b):\n    assert sys.argv[1:] == ["$(touch canary)", "--x=`touch canary`", "; touch canary"], sys.argv\n' +
      '    raise ValueError("no " + os.path.basename(b[0]))\n',
  );
  const { code, stdout, stderr } = await space.cli(
    ...['run', '--entry-script', script, '--input', input, '--mini-batch-size', '1', '--max-retries', '0'],
    ...['--name', 'evil', '--env', 'X=$(touch canary)', '--processes', '1'],
    ...['--', '$(touch canary)', '--x=`touch canary`', '; touch canary'],
  );
  expect(code, stdout + stderr).toBe(1);
  const left = [...filesBelow(space.folder), ...readdirSync(process.cwd())].filter((path) =>
    /(^|\/)canary$/.test(path),
  );
  expect(left).toEqual([]);

  const names = deadLetters(space, 'evil').map(({ item }) => item?.slice(input.length + 1));
  expect(names.sort()).toEqual([...evil].sort());
  // Each failing mini-batch is one record of the report to a reader of CSV, with all its fields.
  const read = 'import csv, json, sys\njson.dump(list(csv.reader(open(sys.argv[1], newline=""))), sys.stdout)';
  const report = join(space.root, 'evil/logs/job_report/processed_mini-batches.csv');
  const records = JSON.parse((await runCommand('python3', ['-c', read, report], space.folder)).stdout) as string[][];
  expect(new Set(records.map((record) => record.length))).toEqual(new Set([15]));
  expect(records.filter(([id]) => /^\d+$/.test(id ?? ''))).toHaveLength(evil.length);
  // Nothing acts on a terminal, wherever it is shown.
  for (const path of ['logs/overview.txt', 'logs/master.txt', 'logs/job_error.txt', 'logs/job_result.txt']) {
    // eslint-disable-next-line no-control-regex
    expect(space.read('evil', path)).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e]/);
  }
  expect(stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f\u202a-\u202e]/);
}, 60_000);

describe('what the code of the engine never does', () => {
  /** Ways to make code of data. Those of TypeScript are rules of the linter. */
  const FORBIDDEN =
    /\b(?:pickle|marshal|shelve|yaml)\b(?=\.| import|$)|(?<![.\w])(?:eval|exec)\(|shell\s*=\s*True|os\.system\(/;
  const offences = (text: string): string[] =>
    text.split('\n').filter((line) => FORBIDDEN.test(line.replace(/#.*/, '')));

  test('the Python host loads no objects and runs no text', () => {
    const folder = join(REPO, 'python');
    const files = filesBelow(folder).filter((path) => path.endsWith('.py') && !path.startsWith('tests/'));
    expect(files.length).toBeGreaterThan(20);
    for (const file of files) expect([file, offences(readFileSync(join(folder, file), 'utf8'))]).toEqual([file, []]);
  });

  test.each([
    'x = pickle.loads(data)',
    'import yaml',
    'eval(text)',
    'exec(text)',
    'run(x, shell=True)',
    'os.system("x")',
  ])('the gate sees %s', (line) => expect(offences(`fine()\n${line}\n`)).toEqual([line]));
});

describe('the lock file', () => {
  interface Lock {
    packages: Record<string, { integrity?: string; resolved?: string; hasInstallScript?: boolean; link?: boolean }>;
  }
  const lock = (): Lock => JSON.parse(readFileSync(join(REPO, 'package-lock.json'), 'utf8')) as Lock;
  /** Reviewed: docs/adr/0003-dependencies.md. None of their scripts runs: `.npmrc` says so. */
  const SCRIPTS_REVIEWED: ReadonlySet<string> = new Set(['node_modules/esbuild', 'node_modules/fsevents']);

  function problemsOf({ packages }: Lock): string[] {
    const hosts = new Set<string>();
    const problems = Object.entries(packages).flatMap(([path, { integrity, resolved, hasInstallScript, link }]) => {
      if (path === '' || link === true) return [];
      if (resolved !== undefined) hosts.add(new URL(resolved).host);
      return [
        ...(integrity?.startsWith('sha512-') === true ? [] : [`${path} has no sha512 sum`]),
        ...(resolved?.startsWith('https://') === false ? [`${path} comes from ${resolved}`] : []),
        ...(hasInstallScript === true && !SCRIPTS_REVIEWED.has(path) ? [`${path} has an install script`] : []),
      ];
    });
    return hosts.size > 1 ? [...problems, `packages come from ${[...hosts].join(', ')}`] : problems;
  }

  test('every package has its sum, and none a script that nobody looked at', () => {
    expect(problemsOf(lock())).toEqual([]);
    expect(readFileSync(join(REPO, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m);
  });

  test('an edited one is found out', () => {
    const [one = '', other = ''] = Object.keys(lock().packages).filter((path) => path !== '');
    const edited = (change: (lock: Lock) => void): string[] => {
      const copy = lock();
      change(copy);
      return problemsOf(copy);
    };
    const set = (path: string, more: Lock['packages'][string]) => (copy: Lock) => {
      copy.packages[path] = { ...copy.packages[path], ...more };
    };
    expect(edited((copy) => delete copy.packages[one]?.integrity)).toEqual([`${one} has no sha512 sum`]);
    expect(edited(set(one, { hasInstallScript: true }))).toEqual([`${one} has an install script`]);
    expect(edited(set(one, { resolved: 'http://a.example/x.tgz' }))).toEqual([
      `${one} comes from http://a.example/x.tgz`,
    ]);
    expect(
      edited((copy) => {
        set(one, { resolved: 'https://a.example/x.tgz' })(copy);
        set(other, { resolved: 'https://b.example/y.tgz' })(copy);
      }),
    ).toEqual(['packages come from a.example, b.example']);
  });
});

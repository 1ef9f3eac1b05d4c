/** The seed's two code blocks, verbatim, and every file of contract 3.1 with the fields of 3.2. */
import { copyFileSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SEED, Workspace } from './rig.ts';
import type { Ended } from './rig.ts';

let space: Workspace;
let ended: Ended;
let ip: string;

beforeAll(async () => {
  space = new Workspace();
  const inputs = Object.fromEntries(
    Array.from({ length: 25 }, (_, i) => [`text ${i}.txt`, `line one of ${i}\nline two\n`]),
  );
  space.files('texts', inputs);
  for (const file of ['entry_script_helper.py', 'score_file_list.py']) {
    space.write(`code/${file}`, '');
    copyFileSync(join(SEED, file), join(space.folder, 'code', file));
  }
  ended = await space.cli(
    'run',
    '--entry-script',
    'code/score_file_list.py',
    '--input',
    'texts',
    '--mini-batch-size',
    '4',
    '--processes',
    '2',
    '--name',
    'seed',
    '--resource-monitor-interval',
    '1',
  );
  ip = readdirSync(join(space.root, 'seed/logs/worker'))[0] ?? '';
}, 60_000);
afterAll(() => {
  space.dispose();
});

test('it completes', () => {
  expect(ended.code, ended.stdout + ended.stderr).toBe(0);
});

test('7 mini-batches, rows in the order of the input', async () => {
  const status = await space.status('seed');
  expect(status.miniBatches).toMatchObject({ created: 7, succeeded: 7, failed: 0 });
  expect(status.items).toMatchObject({ created: 25, succeeded: 25, failed: 0 });
  const names = Array.from({ length: 25 }, (_, i) => `text ${i}.txt`).sort();
  expect(space.rows('seed')).toEqual(names.map((name) => join(space.folder, 'texts', name)));
});

test('the sample wrote its 25 files with the right content, and its folder is no run', async () => {
  const output = join(space.root, 'temp/output');
  expect(readdirSync(output)).toHaveLength(25);
  for (let i = 0; i < 25; i++) {
    const text = readFileSync(join(output, `text ${i}.txt`), 'utf8');
    expect(text).toMatch(/^ouput file .*text \d+\.txt from .*score_file_list\.py:\n/);
    expect(text.split('\n').slice(1).join('\n')).toBe(`line one of ${i}\nline two\n`);
  }
  const { stdout } = await space.cli('list', '--json');
  expect(stdout).toContain('"seed"');
  expect(stdout).not.toContain('"temp"');
});

test('log lines of both workers stand under the same address as the worker logs', () => {
  expect(space.list('seed', 'logs/worker')).toEqual([ip]);
  const processes = space.list('seed', `logs/worker/${ip}`);
  expect(processes).toEqual(['Process-1.txt', 'Process-2.txt']);
  const files = new Set<string>();
  for (const file of processes) {
    const user = space.read('seed', `logs/user/${ip}/${file}`);
    expect(user).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\|score_file_list\|INFO\|\d+\|\d+\|init\(\)\|init\(\)$/m,
    );
    for (const [, name] of user.matchAll(/: .*temp\/output\/(text \d+\.txt)$/gm)) files.add(name ?? '');
  }
  expect(files.size).toBe(25);
});

describe('every file of contract 3.1', () => {
  test.each([
    'azureml-logs/70_driver_log.txt',
    'logs/overview.txt',
    'logs/master.txt',
    'logs/job_result.txt',
    'logs/job_error.txt',
    'logs/readme.txt',
    'logs/job_report/processed_mini-batches.csv',
    'logs/job_report/process_summary.csv',
    'logs/job_report/node_summary.csv',
  ])('%s is there', (path) => {
    space.read('seed', path);
  });

  test('overview: created, scheduling finished with totals, processed, result', () => {
    const overview = space.read('seed', 'logs/overview.txt');
    expect(overview).toMatch(/scheduling finished.*7 mini-batches.*25 items/i);
    expect(overview).toMatch(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d/);
    expect(overview).toMatch(/Run seed completed/);
  });

  test('master: time|level|pid|thread|message', () => {
    const lines = space.read('seed', 'logs/master.txt').trimEnd().split('\n');
    for (const line of lines)
      expect(line).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\|(INFO|WARNING|DEBUG|ERROR)\|\d+\|[^|]+\|/);
    expect(lines.length).toBeGreaterThan(10);
  });

  test('worker: picked and finished per mini-batch with times and counts', () => {
    const all = space
      .list('seed', `logs/worker/${ip}`)
      .map((file) => space.read('seed', `logs/worker/${ip}/${file}`))
      .join('');
    const finished = all.split('\n').filter((line) => line.includes('end1='));
    expect(finished).toHaveLength(7);
    for (const line of finished) {
      expect(line).toMatch(
        /start1=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\S* end1=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}/,
      );
      expect(line).toMatch(/start2=[\d.]+ end2=[\d.]+/);
      expect(line).toMatch(/RUN_DONE/);
      expect(line).toContain(ip);
    }
    expect(all).toMatch(/LOAD_DONE/);
    expect(all).toMatch(/INIT_DONE/);
    expect(all).toMatch(/SHUTDOWN_DONE/);
  });

  test('performance: a monitor per process and one of the node, with their headers and samples', () => {
    const names = space.list('seed', `logs/performance/${ip}`);
    const processes = names.filter((name) => name.startsWith(`process_resource_monitor_${ip}_`));
    expect(processes).toHaveLength(2);
    expect(names).toContain(`sys_resource_monitor_${ip}.csv`);
    const [header, sample] = space.read('seed', `logs/performance/${ip}/${processes[0] ?? ''}`).split('\n');
    expect(header).toBe(
      'Utc Time,Name,Cpu Percent,Cpu Time User,Cpu Time System,Memory Used Percent,Memory Rss (MB),Disk Io Read Count,Disk Io Write Count,Disk Io Read (MB),Disk Io Write (MB),Thread Num,Open Files',
    );
    expect(sample?.split(',')).toHaveLength(13);
    const [systemHeader, systemSample] = space
      .read('seed', `logs/performance/${ip}/sys_resource_monitor_${ip}.csv`)
      .split('\n');
    expect(systemHeader).toMatch(
      /^Utc Time,Cpu Percent,Memory Total \(MB\),Memory Available \(MB\),Memory Used \(MB\),Memory Used Percent,Disk Io Read Count,Disk Io Write Count,Disk Io Read \(MB\),Disk Io Write \(MB\),Network Sent \(MB\),Network Recv \(MB\),# of TCP Connections,# of UDP Connections,Disk Used Percent/,
    );
    expect(systemSample?.split(',').length).toBe(systemHeader?.split(',').length);
  });

  test('processed_mini-batches.csv: a row per try, and those of load and init', () => {
    const [header, ...rows] = space.read('seed', 'logs/job_report/processed_mini-batches.csv').trimEnd().split('\n');
    expect(header).toBe(
      'Mini-batch Id,Picked Count,Ip Address,Process,Start Time,Total,Succeeded,Failed,Elapsed Seconds,Process Seconds,Run Method Seconds,Status,Error Category,Error Message,Mini-batch Detail',
    );
    const cells = rows.map((row) => row.split(','));
    expect(
      cells
        .filter(([id]) => id !== '')
        .map(([id]) => Number(id))
        .sort(),
    ).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(
      cells
        .filter(([id]) => id === '')
        .map((row) => row[11])
        .sort(),
    ).toEqual(['INIT_DONE', 'INIT_DONE', 'LOAD_DONE', 'LOAD_DONE']);
    for (const [id, , , , start] of cells)
      if (id !== '') expect(start).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
  });
});

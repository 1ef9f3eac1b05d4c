/** Bad jobs: which problems, on which lines. Line numbers count in JOB (see workspace.ts), whose job starts at line 5. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WrittenFlags } from '../../src/job/index.ts';
import { JOB, problemsOf, short, workspace } from './workspace.ts';

const FILES = {
  'pkg/main.py': '',
  'a.b.py': '',
  'notes.txt': '',
  'json.py': '',
  'model.pkl': '',
  'table.orc': '',
  'big.csv': 'x\n1\n',
  'folder/x.xlsx': '',
};

async function codes(text: string): Promise<readonly string[]> {
  const cwd = await workspace(FILES);
  await writeFile(path.join(cwd, 'job.yml'), text);
  return short(await problemsOf(cwd, { jobFile: 'job.yml' }));
}
/** JOB with one line replaced. */
const swap = (line: string, by: string): string => {
  if (!JOB.includes(line)) throw new Error(`no ${line} in JOB`);
  return JOB.replace(line, by);
};

describe('files that are no jobs', () => {
  it.each([
    ['empty', '', ['PR1003:1']],
    ['comments only', '# a job\n', ['PR1003:1']],
    ['a list', '- type: pipeline\n', ['PR1003:1']],
    ['a word', 'pipeline\n', ['PR1003:1']],
    ['broken', 'type: pipeline\njobs: [\n', ['PR1002:3']],
    ['a tab', 'type: pipeline\njobs:\n\tscore: 1\n', ['PR1002:3']],
    ['a parallel job on its own, without anything', 'type: parallel\ntask: {}\n', ['PR1009:1', 'PR1009:1']],
    ['a command', 'type: command\n', ['PR1006:1']],
    ['a sweep', 'type: sweep\n', ['PR1004:1']],
    ['version 1, without a script', 'parallel_run_config:\n  mini_batch_size: 1\n', ['PR1009:2', 'PR1009:2']],
    ['no jobs', 'type: pipeline\n', ['PR1005:1']],
    ['jobs without anything', 'type: pipeline\njobs:\n', ['PR1005:2']],
    ['jobs as list', 'jobs:\n  - type: parallel\n', ['PR1005:2']],
    ['no type', 'jobs:\n  a: {}\n  b: 3\n', ['PR1005:2', 'PR1005:3']],
    ['another type', 'jobs:\n  a:\n    type: sweep\n', ['PR1006:3']],
    ['a command alone', 'jobs:\n  a:\n    type: command\n', ['PR1006:2']],
    ['two jobs, where one is needed', `${JOB}  more: { type: parallel }\n`, ['PR1006:1']],
    ['a command beside it', `${JOB}  prep: { type: command }\n`, ['PR1006:1']],
  ])('%s', async (_, text, expected) => {
    expect((await codes(text)).slice(0, expected.length)).toEqual(expected);
  });

  it('a file that is not there, and a folder', async () => {
    const cwd = await workspace();
    expect(await problemsOf(cwd, { jobFile: 'no.yml' })).toEqual([
      {
        code: 'PR1001',
        severity: 'error',
        what: 'the job file no.yml cannot be read',
        where: { file: 'no.yml' },
        why: 'it does not exist',
        next: 'check the path',
      },
    ]);
    expect(short(await problemsOf(cwd, { jobFile: 'images' }))).toEqual(['PR1001']);
  });
});

describe('bad values', () => {
  const inJob = (line: string): string => JOB.replace('    task:\n', `    ${line}\n    task:\n`);
  it.each([
    ['mini_batch_size: 10 kb', ['PR1011:12']],
    ['mini_batch_size: 1e9MB', ['PR1011:12']],
    ['mini_batch_size: 0', ['PR1011:12']],
    ['mini_batch_size: 1.5', ['PR1011:12']],
    ['mini_batch_size: true', ['PR1010:12']],
    ['mini_batch_size: [1]', ['PR1010:12']],
    ['mini_batch_size:', ['PR1010:12']],
    ['mini_batch_rows: "10"', ['PR1010:12']],
    ['error_threshold: "10"', ['PR1010:12']],
    ['error_threshold: -2', ['PR1011:12']],
    ['error_threshold: .nan', ['PR1010:12']],
    ['error_threshold: 1e309', ['PR1011:12']],
    ['error_threshold: 9007199254740993', ['PR1011:12']],
    ['error_threshold: {a: 1}', ['PR1010:12']],
    ['error_threshold: null', ['PR1010:12']],
    ['mini_batch_error_threshold: -1.5', ['PR1010:12']],
    ['max_concurrency_per_instance: 0', ['PR1011:12']],
    ['resources: { instance_count: -1 }', ['PR1011:12']],
    ['resources: 3', ['PR1010:12']],
    ['logging_level: LOUD', ['PR1011:12']],
    ['retry_settings: { max_retries: -1, timeout: 259201 }', ['PR1011:12', 'PR1011:12']],
    ['retry_settings: { max_retries: "2", timeout: 5 m }', ['PR1010:12', 'PR1010:12']],
    ['retry_settings: [2]', ['PR1010:12']],
    ['init_timeout: 0', ['PR1011:12']],
    ['environment_variables: { A: [1], "B=C": 1 }', ['PR1010:12', 'PR1011:12']],
    ['environment_variables: A=1', ['PR1010:12']],
    ['partition_keys: [store, store]', ['PR1011:12']],
    ['partition_keys: [""]', ['PR1011:12']],
    ['partition_keys: { store: 1 }', ['PR1010:12']],
    ['partition_keys: [[store]]', ['PR1010:12']],
    ['partition_format: "{store}/*"', ['PR1012:12']],
    ['partition_keys: [store]\n    partition_format: "{store"', ['PR1011:13']],
    ['partition_keys: [store]\n    mini_batch_rows: 5', ['PR1018:13']],
    ['isolate: "true"', ['PR1010:12']],
    ['memory_limit: 2 GB', ['PR1011:12']],
    ['memory_limit: [2gb]', ['PR1010:12']],
    ['recycle_after_growth: 100', ['PR1011:12']],
    ['component: ./x.yml', ['PR1030:12']],
    ['mini_batch_rows: 5\n    mini_batch_size: 5', ['PR1012:12']],
    ['mini_batch_size: 5kb\n    input_format: files', ['PR1012:12']],
    ['mini_batch_size: ${{parent.inputs.zz}}', ['PR1015:12']],
    ['mini_batch_size: 3\n    mini_batch_size: 4', ['PR1002:13']],
  ])('%s', async (line, expected) => {
    expect(await codes(inJob(line))).toEqual(expected);
  });

  it.each([
    ['--error_threshold x', ['PR1010:16']],
    ['--run_max_try 0', ['PR1011:16']],
    ['--run_invocation_timeout 0', ['PR1011:16']],
    ['--allowed_failed_percent 101', ['PR1011:16']],
    ['--resource_monitor_interval 0.001', ['PR1011:16']],
    ['--first_task_creation_timeout 3000000', ['PR1011:16']],
    ['--copy_logs_to_parent maybe', ['PR1010:16']],
    ['--profiling_module yappi', ['PR1011:16']],
    ['--resume_from abc', []],
    ['--logging_level', ['PR1016:16']],
    ["it's", ['PR1016:16']],
    ['--x ${{inputs.none}}', ['PR1015:16']],
    ['--resource_monitor_interva 20', ['PR1017:16']],
  ])('program_arguments: %s', async (text, expected) => {
    expect(await codes(`${JOB}      program_arguments: ${text}\n`)).toEqual(expected);
  });

  it('says what was found, what is allowed, where, and how to mend it', async () => {
    const cwd = await workspace({ 'job.yml': inJob('mini_batch_size: 10 KB') });
    expect(await problemsOf(cwd, { jobFile: 'job.yml' })).toEqual([
      {
        code: 'PR1011',
        severity: 'error',
        what: 'mini_batch_size has a value that is not allowed',
        where: {
          file: 'job.yml',
          line: 12,
          column: 22,
          length: 5,
          excerpt: '    mini_batch_size: 10 KB',
          keyPath: 'jobs.score.mini_batch_size',
        },
        why: 'found the text "10 KB"; allowed: an integer of at least 1, or one followed by kb, mb or gb without a space, such as 10kb',
        next: 'write 10kb',
      },
    ]);
  });

  it.each([
    ['an input', 'uri_folder, path', 'uri_foldr, path'],
    ['an output', 'scores: { type: uri_folder }', 'scores: { type: uri_foldr }'],
  ])('names the type that %s may be meant to have', async (_, from, to) => {
    const cwd = await workspace({ 'job.yml': swap(from, to) });
    const [problem] = await problemsOf(cwd, { jobFile: 'job.yml' });
    expect(problem).toMatchObject({ code: 'PR1011', next: 'did you mean uri_folder?' });
  });

  it('places a wrong flag on the command line', async () => {
    const cwd = await workspace();
    const [problem] = await problemsOf(cwd, { flags: { entryScript: 'score.py', input: 'images', maxRetries: '-1' } });
    expect([problem?.code, problem?.where]).toEqual([
      'PR1011',
      { file: 'command line', keyPath: '--max-retries', excerpt: '--max-retries -1' },
    ]);
  });
});

describe('inputs, outputs, expressions', () => {
  it.each([
    ['no such folder', swap('path: ./images', 'path: ./imgaes'), ['PR3101:3']],
    ['an address', swap('path: ./images', 'path: "azureml:data:1"'), ['PR3102:3']],
    ['an address of a kind nobody knows', swap('path: ./images', 'path: ftp://host/x'), ['PR3102:3']],
    ['a web address of a folder', swap('path: ./images', 'path: https://host/x/'), ['PR3606:3']],
    ['an address without encryption', swap('path: ./images', 'path: http://host/x'), ['PR3606:3']],
    ['a bucket without a name', swap('path: ./images', 'path: s3:///x'), ['PR3606:3']],
    [
      'a datastore that no profile names',
      swap('path: ./images', 'path: azureml://datastores/lake/paths/x'),
      ['PR3609:3'],
    ],
    ['a folder as file', swap('uri_folder, path: ./images', 'uri_file, path: ./images'), ['PR3103:3']],
    ['a file as folder', swap('path: ./images', 'path: score.py'), ['PR3103:3']],
    ['an mltable that is none', swap('uri_folder, path', 'mltable, path'), ['PR1036:3']],
    ['an unknown type', swap('uri_folder, path', 'uri_foldr, path'), ['PR1011:3']],
    ['no path', swap(', path: ./images', ''), ['PR1009:3']],
    ['a list as path', swap('path: ./images', 'path: [a]'), ['PR1010:3']],
    ['a wrong binding', swap('parent.inputs.data', 'parent.inputs.dta'), ['PR1015:8']],
    ['another job', swap('parent.inputs.data', 'parent.jobs.prep.outputs.o'), ['PR1015:8']],
    ['a wrong input_data', swap('${{inputs.images}}', '${{inputs.imags}}'), ['PR1015:11']],
    ['a path as input_data', swap('${{inputs.images}}', './images'), ['PR1010:11']],
    ['no input_data', swap('    input_data: ${{inputs.images}}\n', ''), ['PR1009:6']],
    ['a literal as input_data', swap('${{parent.inputs.data}}', '5'), ['PR1010:11']],
    ['inputs as list', swap('      images: ${{parent.inputs.data}}', '      - images'), ['PR1010:8', 'PR1015:11']],
    [
      'a side input that is missing',
      swap('    outputs:', '      model: { type: uri_file, path: modl.pkl }\n    outputs:'),
      ['PR3101:9'],
    ],
    ['a wrong append_row_to', swap('${{outputs.scores}}', '${{outputs.score}}'), ['PR1015:15']],
    ['a name as append_row_to', swap('${{outputs.scores}}', 'scores.csv'), ['PR1010:15']],
    [
      'an output in a datastore that no profile names',
      swap('{ type: uri_folder }', '{ type: uri_folder, path: "azureml://datastores/x" }'),
      ['PR3609:10'],
    ],
    ['an output by https', swap('{ type: uri_folder }', '{ type: uri_folder, path: "https://host/x" }'), ['PR5207:10']],
    ['an output of a wrong type', swap('{ type: uri_folder }', '{ type: folder }'), ['PR1011:10']],
    ['an output bound to nothing', swap('{ type: uri_folder }', '${{parent.outputs.x}}'), ['PR1015:10']],
    ['a list as path of an output', swap('{ type: uri_folder }', '{ path: [a] }'), ['PR1010:10']],
    ['an output that is a number', swap('{ type: uri_folder }', '3'), ['PR1010:10']],
    [
      'a table of another kind by rows',
      swap('path: ./images', 'path: ./folder').replace('    task:', '    mini_batch_rows: 5\n    task:'),
      ['PR3105:3'],
    ],
  ])('%s', async (_, text, expected) => {
    expect(await codes(text)).toEqual(expected);
  });

  it('names what was meant', async () => {
    const cwd = await workspace({ 'job.yml': swap('${{inputs.images}}', '${{inputs.imags}}') });
    const [problem] = await problemsOf(cwd, { jobFile: 'job.yml' });
    expect([problem?.what, problem?.why, problem?.next]).toEqual([
      '${{inputs.imags}} stands for nothing',
      'known here: inputs.images and parent.inputs.data',
      'did you mean ${{inputs.images}}?',
    ]);
    const [missing] = await problemsOf(cwd, { flags: { entryScript: 'score.py', input: './imges' } });
    expect(missing?.next).toBe('did you mean images?');
  });
});

describe('entry scripts', () => {
  it.each([
    ['nope.py', ['PR2001:14']],
    ['pkg', ['PR2002:14']],
    ['pkg.man', ['PR2001:14']],
    ['../score.py', ['PR2004:14']],
    ['/etc/passwd', ['PR2004:14']],
    ['notes.txt', ['PR2005:14']],
    ['a.b.py', ['PR2006:14']],
    ['json.py', ['PR2008:14']],
    ['""', ['PR1009:14']],
    ['5', ['PR1010:14']],
  ])('%s', async (script, expected) => {
    expect(await codes(swap('score.py', script))).toEqual(expected);
  });

  it.each([
    ['code: nope', ['PR2007:16']],
    ['code: score.py', ['PR2007:16']],
    ['code: git+https://host/x', ['PR2007:16']],
    ['environment: { conda_file: no.yml }', ['PR4102:16']],
    ['environment: { conda_file: 5 }', ['PR1010:16']],
    ['environment: [a]', ['PR1010:16']],
    ['environment: no.txt', ['PR4102:16']],
    ['environment: { conda_file: { channels: [] } }', ['PR4103:16']],
    ['environment: { python: ./no-python }', ['PR4001:16']],
    ['environment: { image: x }', ['PR4106:16']],
  ])('%s', async (line, expected) => {
    expect(await codes(`${JOB}      ${line}\n`)).toEqual(expected);
  });
});

it.each(['environment: { conda_file: no.yml }', 'environment: no.txt'])(
  'a file of the environment that is not there says what to do: %s',
  async (line) => {
    const cwd = await workspace({ ...FILES, 'job.yml': `${JOB}      ${line}\n` });
    const [problem] = await problemsOf(cwd, { jobFile: 'job.yml' });
    expect(problem?.next).toBe('check the path, and the folder it counts from');
  },
);

describe('the command line alone', () => {
  it.each<[WrittenFlags, readonly string[]]>([
    [{}, ['PR1009', 'PR1009']],
    [{ entryScript: 'score.py' }, ['PR1009']],
    [{ input: 'images' }, ['PR1009']],
    [{ entryScript: 'score.py', input: [] }, ['PR1009']],
    [{ entryScript: 'score.py', input: '' }, ['PR1009']],
    [{ entryScript: 'score.py', input: 'nowhere/*.png' }, ['PR3101']],
    [{ entryScript: 'score.py', input: 'images', inputFormat: 'orc' }, ['PR1011']],
    [{ entryScript: 'score.py', input: 'table.orc', miniBatchRows: 4 }, ['PR3105']],
    [{ entryScript: 'score.py', input: 'images', appendRowTo: 'x', summaryOnly: true }, ['PR1012']],
    [{ entryScript: 'score.py', input: 'big.csv', csvDelimiter: 'ab' }, ['PR1011']],
    [{ entryScript: 'score.py', input: 'big.csv', tableEncoding: 'utf-9' }, ['PR1011']],
    [{ entryScript: 'score.py', input: 'big.csv', csvDelimiter: 'none' }, ['PR1011']],
    [{ entryScript: 'score.py', input: 'big.csv', csvDelimiter: 'é' }, ['PR1011']],
    [{ entryScript: 'score.py', input: 'big.csv', csvDelimiter: '|', csvComment: '|' }, ['PR1012']],
    [{ entryScript: 'score.py', input: 'images', python: 'no-such-python' }, ['PR4001']],
    [{ entryScript: 'score.py', input: 'images', requirements: 'no.txt' }, ['PR4102']],
    [{ entryScript: 'score.py', input: 'images', python: './score.py', requirements: 'no.txt' }, ['PR4107']],
    [{ entryScript: 'score.py', input: 'images', processes: 1.5 }, ['PR1010']],
  ])('%j', async (flags, expected) => {
    expect(short(await problemsOf(await workspace(FILES), { flags }))).toEqual(expected);
  });

  it('--set needs a job file', async () => {
    const problems = await problemsOf(await workspace(), {
      flags: { entryScript: 'score.py', input: 'images' },
      set: ['a=1'],
    });
    expect(short(problems)).toEqual(['PR1008']);
  });
});

describe('keys', () => {
  const hints = async (text: string): Promise<unknown> => {
    const cwd = await workspace({ 'job.yml': text });
    return (await problemsOf(cwd, { jobFile: 'job.yml' })).map((p) => [
      p.code,
      p.severity,
      p.where?.line,
      p.where?.keyPath,
      p.next,
    ]);
  };

  it('that are misspelt, misplaced, of version 1, of nobody', async () => {
    const extra = `    append_row_to: x
    min_batch_size: 4
    process_count_per_node: 2
    timeout: 5
    error-threshold: 3
    allowed_failed_percent: 4
    __proto__: { a: 1 }
    constructor: 2
    wombat: 3
inptus: {}
mini_batch_size: 3
`;
    expect(await hints(JOB + extra)).toEqual([
      ['PR1014', 'warning', 16, 'jobs.score.append_row_to', 'move it there'],
      ['PR1013', 'warning', 17, 'jobs.score.min_batch_size', 'did you mean mini_batch_size?'],
      ['PR1014', 'warning', 18, 'jobs.score.process_count_per_node', 'write max_concurrency_per_instance instead'],
      ['PR1014', 'warning', 19, 'jobs.score.timeout', 'move it there'],
      ['PR1013', 'warning', 20, 'jobs.score.error-threshold', 'did you mean error_threshold?'],
      ['PR1014', 'warning', 21, 'jobs.score.allowed_failed_percent', 'move it there'],
      ['PR1013', 'warning', 22, 'jobs.score.__proto__', 'remove it, or look it up in docs/reference/settings.md'],
      ['PR1013', 'warning', 23, 'jobs.score.constructor', 'remove it, or look it up in docs/reference/settings.md'],
      ['PR1013', 'warning', 24, 'jobs.score.wombat', 'remove it, or look it up in docs/reference/settings.md'],
      ['PR1013', 'warning', 25, 'inptus', 'did you mean inputs?'],
      ['PR1014', 'warning', 26, 'mini_batch_size', 'move it there'],
    ]);
  });

  it('of the format that mean nothing here are no word worth', async () => {
    const extra = `    compute: azureml:cpu
    display_name: x
    description: y
    resources: { instance_type: big }
settings: { default_compute: c, default_datastore: d }
tags: { a: { b: c } }
experiment_name: e
$schema: https://host/pipelineJob.schema.json
`;
    expect(await hints(JOB + extra)).toEqual([]);
  });

  it('--set with a wrong key is warned of as well', async () => {
    const cwd = await workspace({ 'job.yml': JOB });
    const [problem] = await problemsOf(cwd, { jobFile: 'job.yml', set: ['jobs.score.mini_batch_sise=3'] });
    expect([problem?.code, problem?.where?.file, problem?.next]).toEqual([
      'PR1013',
      'command line',
      'did you mean mini_batch_size?',
    ]);
  });

  it('--set of a job that is not there names the one that is', async () => {
    const cwd = await workspace({ 'job.yml': JOB });
    const [problem] = await problemsOf(cwd, { jobFile: 'job.yml', set: ['jobs.scroe.mini_batch_size=3'] });
    expect([problem?.code, problem?.next]).toEqual(['PR1005', 'the job of the file is called score']);
  });
});

describe('all mistakes at once', () => {
  it('whatever stands in a job, it is judged and nothing is thrown', async () => {
    const cwd = await workspace();
    const key = fc.constantFrom(
      'inputs',
      'outputs',
      'input_data',
      'task',
      'retry_settings',
      'environment_variables',
      'models',
      'mini_batch_size',
      'resources',
      'component',
      'type',
      '__proto__',
      'x',
    );
    const inner = fc.constantFrom(
      'path',
      'type',
      'entry_script',
      'code',
      'environment',
      'program_arguments',
      'append_row_to',
      'timeout',
      'conda_file',
      'default',
      'images',
    );
    const text = fc.constantFrom(
      '${{inputs.images}}',
      '${{outputs.o}}',
      '$[[${{x}}',
      "'",
      'uri_file',
      'mltable',
      '..',
      '/',
      '',
      'a\0b',
      'azureml:x',
      '*',
      '10kb',
    );
    const leaf = fc.oneof(text, fc.double(), fc.boolean(), fc.constant(null), fc.array(text, { maxLength: 2 }));
    const value = fc.oneof(
      leaf,
      fc.dictionary(inner, fc.oneof(leaf, fc.dictionary(inner, leaf, { maxKeys: 3 })), { maxKeys: 4 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, value, { maxKeys: 8 }), async (job) => {
        const tree = { type: 'pipeline', jobs: { j: { ...job, type: 'parallel' } } };
        await writeFile(
          path.join(cwd, 'job.yml'),
          JSON.stringify(tree, (_, v: unknown) => (typeof v === 'number' && !Number.isFinite(v) ? '1e309' : v)),
        );
        const problems = await problemsOf(cwd, { jobFile: 'job.yml' });
        // The job of this property never has all it needs.
        expect(problems.some((p) => p.severity === 'error')).toBe(true);
        for (const p of problems) expect(p.where?.file, p.what).toBeTruthy();
      }),
      { numRuns: 100 },
    );
  });

  it('in the order of the file, errors first', async () => {
    const text = `type: pipeline
inputs:
  data: { type: uri_folder, path: ./dat }
jobs:
  score:
    type: parallel
    inputs:
      images: \${{parent.inputs.data}}
    outputs: { o: { type: uri_folder } }
    input_data: \${{inputs.images}}
    mini_batch_sise: 4
    mini_batch_size: 10 kb
    error_threshold: "10"
    mini_batch_error_threshold: -2
    max_concurrency_per_instance: 1e309
    logging_level: LOUD
    retry_settings: { max_retries: true, timeout: 0 }
    task:
      entry_script: scor.py
      program_arguments: --a \${{inputs.zz}} --run_max_try 0
      append_row_to: \${{outputs.p}}
`;
    expect(await codes(text)).toEqual([
      'PR3101:3',
      'PR1011:12',
      'PR1010:13',
      'PR1011:14',
      'PR1011:15',
      'PR1011:16',
      'PR1010:17',
      'PR1011:17',
      'PR2001:19',
      'PR1015:20',
      'PR1011:20',
      'PR1015:21',
      'PR1013:11',
    ]);
  });
});

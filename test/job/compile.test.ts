import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { WrittenFlags } from '../../src/job/index.ts';
import { compileJob } from '../../src/job/index.ts';
import { compiled, JOB, problemsOf, short, SURROUNDINGS, workspace } from './workspace.ts';

const CLI: WrittenFlags = { entryScript: 'score.py', input: 'images' };

describe('a run without job file', () => {
  it('has a default for everything', async () => {
    const cwd = await workspace();
    const { plan, warnings, settings } = await compiled(cwd, { flags: CLI });
    expect(warnings).toEqual([]);
    const { origins, ...rest } = plan;
    expect(rest).toEqual({
      formatVersion: 4,
      runId: '20260412-093015-k7m2',
      runFolder: `${cwd}/runs/20260412-093015-k7m2`,
      displayName: 'score.py',
      experimentName: path.basename(cwd),
      stepName: 'parallel',
      entry: { language: 'python', codeFolder: cwd, file: 'score.py', moduleName: 'score' },
      scriptArguments: [],
      environmentVariables: {},
      dataInputs: { input: `${cwd}/images` },
      environment: { kind: 'path' },
      inputs: [{ kind: 'files', name: 'input', root: `${cwd}/images`, select: { by: 'all' } }],
      cutting: { by: 'files', files: 10 },
      output: {
        action: 'append_row',
        file: `${cwd}/runs/20260412-093015-k7m2/outputs/parallel_run_step.txt`,
        format: 'txt',
        overwrite: false,
      },
      outputFolder: `${cwd}/runs/20260412-093015-k7m2/outputs`,
      sideOutputs: {},
      sideOutputFiles: [],
      thresholds: { errorThreshold: -1, miniBatchErrorThreshold: -1, failedPercent: 100 },
      tries: { maxTries: 3 },
      isolate: 'auto',
      limits: {
        runTimeoutMs: 60_000,
        overheadTimeoutMs: 30_000,
        initTimeoutMs: 300_000,
        shutdownTimeoutMs: 30_000,
        progressTimeoutMs: 270_000,
        firstMiniBatchTimeoutMs: 600_000,
        captureBytesPerTry: 8 * 1024 * 1024,
      },
      processesPerNode: 4,
      nodeCount: 1,
      loggingLevel: 'INFO',
      resourceMonitorIntervalMs: 5000,
      allowEmpty: false,
    });
    expect(origins['task.entry_script']).toBe('command line');
    expect(origins['mini_batch_size']).toBe('default');
    expect(settings.find((s) => s.name === 'mini_batch_size')).toEqual({
      name: 'mini_batch_size',
      value: '10 files',
      origin: 'default',
    });
    expect(settings.map((s) => s.name).sort()).toEqual(Object.keys(origins).sort());
  });

  it('takes every flag', async () => {
    const cwd = await workspace({
      'env/r.txt': '-r more.txt\nazureml-core\n./local\n',
      'env/more.txt': 'numpy # fast\n',
    });
    const { plan, warnings } = await compiled(cwd, {
      flags: {
        ...CLI,
        miniBatchSize: '4',
        processes: '2',
        output: 'out',
        appendRowTo: 'rows.csv',
        errorThreshold: '0',
        miniBatchErrorThreshold: 1,
        allowedFailedPercent: '12.5',
        maxRetries: 0,
        timeout: '10m',
        taskOverheadTimeout: 1,
        firstTaskCreationTimeout: '2s',
        resourceMonitorInterval: 0,
        loggingLevel: 'debug',
        environmentVariables: { A: 'b=c' },
        requirements: 'env/r.txt',
        name: 'my.run',
        root: 'elsewhere',
        overwrite: true,
        allowEmpty: true,
        advertise: '10.0.0.5',
      },
      scriptArguments: ['--top', '3 4', '--logging_level', 'WARNING', '--profiling_module', 'cProfile'],
    });
    expect(short(warnings)).toEqual(['PR4105']);
    expect(plan).toMatchObject({
      runId: 'my.run',
      runFolder: `${cwd}/elsewhere/my.run`,
      cutting: { by: 'files', files: 4 },
      processesPerNode: 2,
      outputFolder: `${cwd}/out`,
      output: { action: 'append_row', file: `${cwd}/out/rows.csv`, format: 'csv', overwrite: true },
      thresholds: { errorThreshold: 0, miniBatchErrorThreshold: 1, failedPercent: 12.5 },
      tries: { maxTries: 1 },
      limits: {
        runTimeoutMs: 600_000,
        overheadTimeoutMs: 1000,
        initTimeoutMs: 600_000,
        progressTimeoutMs: 3 * 601_000,
        firstMiniBatchTimeoutMs: 2000,
      },
      resourceMonitorIntervalMs: 0,
      loggingLevel: 'DEBUG',
      environmentVariables: { A: 'b=c' },
      allowEmpty: true,
      advertise: '10.0.0.5',
      profilingModule: 'cProfile',
      environment: {
        kind: 'requirements',
        pip: ['numpy', `${cwd}/env/local`],
        condaOnly: [],
        source: `${cwd}/env/r.txt`,
      },
      scriptArguments: ['--top', '3 4', '--logging_level', 'WARNING', '--profiling_module', 'cProfile'],
    });
    expect(plan.origins).toMatchObject({
      logging_level: 'command line',
      profiling_module: 'program arguments',
      root: 'command line',
    });
  });

  it('reads runtime flags behind --, and takes the root from the environment', async () => {
    const cwd = await workspace();
    const { plan } = await compiled(cwd, {
      flags: CLI,
      scriptArguments: ['--run_max_try', '5', '--error_threshold=3', '--error_threshold=4'],
      env: { PARALLELRUN_ROOT: '/tmp/elsewhere' },
    });
    expect(plan.tries.maxTries).toBe(5);
    expect(plan.thresholds.errorThreshold).toBe(4);
    expect(plan.runFolder).toBe('/tmp/elsewhere/20260412-093015-k7m2');
    expect(plan.origins).toMatchObject({
      'retry_settings.max_retries': 'program arguments',
      root: 'environment variable',
    });
  });

  it('makes ids that sort, that are short, and that differ', async () => {
    const cwd = await workspace();
    const { compileJob } = await import('../../src/job/index.ts');
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const result = await compileJob({ flags: CLI, cwd, env: {} });
        return result.ok ? result.value.plan.runId : '';
      }),
    );
    expect(new Set(ids).size).toBe(20);
    for (const id of ids) expect(id).toMatch(/^\d{8}-\d{6}-[0-9a-z]{4}$/);
  });
});

describe('memory and age of workers', () => {
  it('in a job file, and shown', async () => {
    const lines = ['memory_limit: 2gb', 'recycle_after_mini_batches: 100', 'recycle_after_growth: 300MB'];
    const text = lines.map((line) => `    ${line}\n`).join('');
    const cwd = await workspace({ 'job.yml': JOB.replace('    task:', `${text}    task:`) });
    const { plan, settings, warnings } = await compiled(cwd, { jobFile: 'job.yml' });
    expect([plan.memoryLimitBytes, plan.recycle, warnings]).toEqual([
      2 * 1024 ** 3,
      { afterMiniBatches: 100, afterGrowthBytes: 300 * 1024 ** 2 },
      [],
    ]);
    const shown = new Map(settings.map((setting) => [setting.name, setting.value]));
    expect(['memory_limit', 'recycle_after_mini_batches', 'recycle_after_growth'].map((n) => shown.get(n))).toEqual([
      '2147483648 bytes',
      '100',
      '314572800 bytes',
    ]);
  });

  it('on the command line', async () => {
    const flags = { ...CLI, memoryLimit: '512mb', recycleAfterMiniBatches: '1' };
    const { plan } = await compiled(await workspace(), { flags });
    expect([plan.memoryLimitBytes, plan.recycle]).toEqual([512 * 1024 ** 2, { afterMiniBatches: 1 }]);
  });

  it.each([
    { memoryLimit: '2' },
    { memoryLimit: '15mb' },
    { recycleAfterMiniBatches: 0 },
    { recycleAfterGrowth: '1kb' },
  ])('%j is refused', async (flags) => {
    expect(short(await problemsOf(await workspace(), { flags: { ...CLI, ...flags } }))).toEqual(['PR1011']);
  });
});

describe('isolation', () => {
  it.each([
    [{}, 'auto', 'where rows belong to items'],
    [{ isolate: 'true' }, 'on', 'true'],
    [{ isolate: false }, 'off', 'false'],
    [{ input: 'rows.csv' }, 'auto', 'where rows belong to items'],
    [{ input: 'rows.csv', partitionKeys: 'a', isolate: 'true' }, 'off', 'false'],
    [{ input: 'rows.csv', miniBatchRows: 3, isolate: 'no' }, 'off', 'false'],
  ] as const)('%j: %s', async (flags, isolate, shown) => {
    const cwd = await workspace({ 'rows.csv': 'a\n1\n' });
    const { plan, warnings, settings } = await compiled(cwd, { flags: { ...CLI, ...flags } });
    expect([plan.isolate, warnings]).toEqual([isolate, []]);
    expect(settings.find((setting) => setting.name === 'isolate')?.value).toBe(shown);
  });

  it('never of rank mini-batches, which are wholes', async () => {
    const flags = { entryScript: 'score.py', rankMiniBatchCount: '3', isolate: true };
    expect((await compiled(await workspace(), { flags })).plan.isolate).toBe('off');
  });

  it('in a job file', async () => {
    const cwd = await workspace({ 'job.yml': JOB.replace('    task:', '    isolate: true\n    task:') });
    expect((await compiled(cwd, { jobFile: 'job.yml' })).plan.isolate).toBe('on');
  });
});

describe('entry scripts', () => {
  it.each([
    [{ entryScript: 'score.py' }, '.', 'score.py', 'score', 'python'],
    [{ entryScript: 'pkg/main.py', code: '.' }, '.', 'pkg/main.py', 'pkg.main', 'python'],
    [{ entryScript: 'pkg.main', code: '.' }, '.', 'pkg/main.py', 'pkg.main', 'python'],
    [{ entryScript: 'main.py', code: 'pkg' }, 'pkg', 'main.py', 'main', 'python'],
    [{ entryScript: 'pkg/main.py', code: 'pkg' }, 'pkg', 'main.py', 'main', 'python'],
    [{ entryScript: 'pkg/my-score.py' }, 'pkg', 'my-score.py', 'my-score', 'python'],
    [{ entryScript: 'pkg/__init__.py', code: '.' }, '.', 'pkg/__init__.py', 'pkg', 'python'],
    [{ entryScript: 'pkg/score.ts' }, 'pkg', 'score.ts', 'score', 'node'],
    [{ entryScript: 'pkg/a.b.mjs' }, 'pkg', 'a.b.mjs', 'a.b', 'node'],
  ] as const)('%j', async (flags, code, file, moduleName, language) => {
    const cwd = await workspace({
      'pkg/main.py': '',
      'pkg/my-score.py': '',
      'pkg/__init__.py': '',
      'pkg/score.ts': '',
      'pkg/a.b.mjs': '',
    });
    const { plan } = await compiled(cwd, { flags: { input: 'images', ...flags } });
    expect(plan.entry).toEqual({ language, codeFolder: path.resolve(cwd, code), file, moduleName });
  });
});

describe('a job file', () => {
  it('becomes a plan; its paths start at the file', async () => {
    const cwd = await workspace({ 'sub/job.yml': JOB, 'sub/score.py': '', 'sub/images/x.png': '' });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'sub/job.yml' });
    expect(warnings).toEqual([]);
    expect(plan).toMatchObject({
      jobFile: `${cwd}/sub/job.yml`,
      stepName: 'score',
      displayName: 'score',
      entry: { codeFolder: `${cwd}/sub`, file: 'score.py' },
      inputs: [{ kind: 'files', name: 'images', root: `${cwd}/sub/images`, select: { by: 'all' } }],
      output: { action: 'append_row', file: `${plan.runFolder}/outputs/scores/parallel_run_step.txt`, format: 'txt' },
      outputFolder: `${plan.runFolder}/outputs/scores`,
      sideOutputs: {},
    });
    expect(plan.origins).toMatchObject({ input_data: 'job file', 'task.append_row_to': 'job file' });
  });

  it('resolves expressions: side inputs, outputs, literals with their type, optional groups', async () => {
    const cwd = await workspace({
      'my model/m.pkl': '',
      'job.yml': `
display_name: Digits
experiment_name: exp
inputs: { n: 7, word: "two words", price: 0.10, opt: { type: string, optional: true }, model: { type: uri_file, path: "my model/m.pkl" }, images: { path: images } }
outputs: { all: { type: uri_file, path: "out/result.jsonl" } }
jobs:
  j:
    type: parallel
    inputs: { m: "\${{parent.inputs.model}}", images: "\${{parent.inputs.images}}", w: "\${{parent.inputs.word}}", half: "\${{parent.inputs.price}}", opt: "\${{parent.inputs.opt}}" }
    outputs: { rows: "\${{parent.outputs.all}}", extra: { type: uri_folder }, report: { type: uri_file, path: "rep/\${{name}}.html" } }
    input_data: \${{inputs.images}}
    mini_batch_size: \${{parent.inputs.n}}
    environment_variables: { WORD: "\${{inputs.w}}", COUNT: 010, FLAG: true }
    retry_settings: { max_retries: 1, timeout: 5m }
    task:
      entry_script: score.py
      program_arguments: >-
        --m \${{inputs.m}} --w=\${{inputs.w}} '\${{inputs.half}}'
        $[[--opt \${{inputs.opt}}]] --extra \${{outputs.extra}} --rows \${{outputs.rows}}
      append_row_to: \${{outputs.rows}}
`,
    });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml', flags: { name: 'r1' } });
    expect(warnings).toEqual([]);
    const outputs = `${cwd}/runs/r1/outputs`;
    expect(plan).toMatchObject({
      displayName: 'Digits',
      experimentName: 'exp',
      cutting: { by: 'files', files: 7 },
      tries: { maxTries: 2 },
      limits: { runTimeoutMs: 300_000 },
      environmentVariables: { WORD: 'two words', COUNT: '010', FLAG: 'true' },
      scriptArguments: [
        '--m',
        `${cwd}/my model/m.pkl`,
        '--w=two words',
        '0.10',
        '--extra',
        `${outputs}/extra`,
        '--rows',
        `${cwd}/out/result.jsonl`,
      ],
      output: { file: `${cwd}/out/result.jsonl`, format: 'jsonl' },
      outputFolder: `${cwd}/out`,
      sideOutputs: { extra: `${outputs}/extra`, report: `${cwd}/rep/r1.html` },
      sideOutputFiles: ['report'],
    });
  });

  it('command line, then --set, then runtime flags, then the file, then defaults', async () => {
    const cwd = await workspace({
      'job.yml': `${JOB}      program_arguments: --error_threshold 2 --run_invocation_timeout 30\n    error_threshold: 1\n    logging_level: WARNING\n`,
    });
    const of = async (flags: WrittenFlags, set: readonly string[] = []): Promise<unknown> => {
      const { plan } = await compiled(cwd, { jobFile: 'job.yml', flags, set });
      return [plan.thresholds.errorThreshold, plan.origins['error_threshold']];
    };
    expect(await of({ errorThreshold: 4 }, ['jobs.score.error_threshold=3'])).toEqual([4, 'command line']);
    expect(await of({}, ['jobs.score.error_threshold=3'])).toEqual([3, 'command line']);
    expect(await of({})).toEqual([2, 'program arguments']);
    const { plan } = await compiled(cwd, { jobFile: 'job.yml' });
    expect([plan.loggingLevel, plan.origins['logging_level'], plan.limits.runTimeoutMs]).toEqual([
      'WARNING',
      'job file',
      30_000,
    ]);
    expect(plan.scriptArguments).toEqual(['--error_threshold', '2', '--run_invocation_timeout', '30']);
  });

  it('flags change input, script and output of a job', async () => {
    const cwd = await workspace({ 'job.yml': JOB, 'other/x': '', 'lib/two.py': '' });
    // Both sizes stand on the command line.
    const both = { jobFile: 'job.yml', flags: { miniBatchRows: 3 }, set: ['jobs.score.mini_batch_size=4'] };
    expect(short(await problemsOf(cwd, both))).toEqual(['PR1012']);
    const { plan } = await compiled(cwd, {
      jobFile: 'job.yml',
      flags: { input: 'other', entryScript: 'lib/two.py', output: 'o', appendRowTo: 'r.csv' },
      scriptArguments: ['-x'],
    });
    expect(plan).toMatchObject({
      inputs: [{ name: 'images', root: `${cwd}/other` }],
      entry: { codeFolder: `${cwd}/lib`, file: 'two.py' },
      scriptArguments: ['-x'],
      output: { file: `${cwd}/o/r.csv`, format: 'csv' },
      sideOutputs: { scores: `${plan.runFolder}/outputs/scores` },
    });
  });

  it('rows of the command line win over a size of the file', async () => {
    const cwd = await workspace({
      'job.yml': JOB.replace('    task:', '    mini_batch_size: 4\n    task:'),
      't.csv': 'x\n',
    });
    const { plan } = await compiled(cwd, { jobFile: 'job.yml', flags: { input: 't.csv', miniBatchRows: 3 } });
    expect([plan.cutting, plan.origins['mini_batch_rows']]).toEqual([{ by: 'rows', rows: 3 }, 'command line']);
  });

  it('without append_row_to has no result file', async () => {
    const cwd = await workspace({ 'job.yml': JOB.replace(/ {6}append_row_to.*\n/, '') });
    const { plan } = await compiled(cwd, { jobFile: 'job.yml' });
    expect([plan.output, plan.outputFolder, Object.keys(plan.sideOutputs)]).toEqual([
      { action: 'summary_only' },
      `${plan.runFolder}/outputs`,
      ['scores'],
    ]);
  });

  it('builds its environment from a conda file', async () => {
    const conda =
      'name: e\nchannels: [defaults]\ndependencies:\n  - python=3.10\n  - pip=22\n  - numpy=1.24\n  - conda-forge::scikit-learn==1.4.2\n  - pandas=2.0.3=py310_0\n  - pytorch>=2, <3\n  - cudatoolkit=11.3\n  - libgcc-ng\n  - pip:\n    - azureml-core\n    - onnxruntime~=1.16\n    - -r more.txt\n';
    const cwd = await workspace({
      'job.yml': `${JOB}      environment: { image: some/image, conda_file: env/conda.yml }\n`,
      'env/conda.yml': conda,
      'env/more.txt': 'tqdm\n-r more.txt\n',
    });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml' });
    expect(plan.environment).toEqual({
      kind: 'requirements',
      pythonVersion: '3.10',
      source: `${cwd}/env/conda.yml`,
      pip: ['numpy==1.24.*', 'scikit-learn==1.4.2', 'pandas==2.0.3', 'torch>=2,<3', 'onnxruntime~=1.16', 'tqdm'],
      condaOnly: ['cudatoolkit=11.3', 'libgcc-ng'],
      places: {
        'numpy==1.24.*': { file: `${cwd}/env/conda.yml`, line: 6 },
        'scikit-learn==1.4.2': { file: `${cwd}/env/conda.yml`, line: 7 },
        'pandas==2.0.3': { file: `${cwd}/env/conda.yml`, line: 8 },
        'torch>=2,<3': { file: `${cwd}/env/conda.yml`, line: 9 },
        'onnxruntime~=1.16': { file: `${cwd}/env/conda.yml`, line: 14 },
        tqdm: { file: `${cwd}/env/more.txt`, line: 1 },
      },
    });
    expect(warnings.map((w) => [w.code, path.basename(w.where?.file ?? ''), w.where?.line])).toEqual([
      ['PR4109', 'conda.yml', 9],
      ['PR4108', 'conda.yml', 10],
      ['PR4105', 'conda.yml', 13],
      ['PR4106', 'job.yml', 16],
    ]);
  });

  it.each([
    ['{ conda_file: { dependencies: [numpy] } }', { kind: 'requirements', pip: ['numpy'] }, []],
    ['./r.txt', { kind: 'requirements', pip: ['tqdm==4'] }, []],
    ['{ requirements: r.txt }', { kind: 'requirements', pip: ['tqdm==4'] }, []],
    ['{ python: ./py }', { kind: 'interpreter' }, []],
    ['azureml:AzureML-sklearn:1', { kind: 'path' }, ['PR4104:16']],
  ])('environment: %s', async (text, expected, codes) => {
    const cwd = await workspace({ 'job.yml': `${JOB}      environment: ${text}\n`, 'r.txt': 'tqdm==4\n', py: '' });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml' });
    expect(plan.environment).toMatchObject(expected);
    expect(short(warnings)).toEqual(codes);
  });

  it('an interpreter of the command line wins', async () => {
    const cwd = await workspace({ 'job.yml': `${JOB}      environment: { conda_file: nowhere.yml }\n`, 'bin/py': '' });
    const { plan } = await compiled(cwd, { jobFile: 'job.yml', flags: { python: 'bin/py' } });
    expect([plan.environment, plan.origins['task.environment']]).toEqual([
      { kind: 'interpreter', path: `${cwd}/bin/py` },
      'command line',
    ]);
  });

  it.each([
    [0, undefined, 4, '4'],
    [2, undefined, 2, '2 (one per GPU)'],
    [2, '3', 3, '3'],
  ])('one process per GPU by default; what is given wins: %s GPUs, %s', async (gpus, given, processes, shown) => {
    const flags = given === undefined ? {} : { processes: given };
    const request = { flags: { ...CLI, ...flags }, env: { PATH: '/usr/bin' }, cwd: await workspace() };
    const result = await compileJob(request, { ...SURROUNDINGS, gpus });
    if (!result.ok) throw new Error(short(result.error).join(' '));
    const { plan, settings } = result.value;
    const setting = settings.find(({ name }) => name === 'max_concurrency_per_instance');
    const origin = given === undefined ? 'default' : 'command line';
    expect([plan.processesPerNode, setting?.value, setting?.origin]).toEqual([processes, shown, origin]);
  });

  it('warns of what one machine cannot follow', async () => {
    const cwd = await workspace({
      'job.yml': `${JOB}    resources: { instance_count: 3 }\n    max_concurrency_per_instance: 10000\n`,
    });
    const { plan, warnings } = await compiled(cwd, { jobFile: 'job.yml' });
    expect([plan.nodeCount, plan.processesPerNode, short(warnings)]).toEqual([1, 1000, ['PR1018:16', 'PR1018:17']]);
  });
});

describe('the output', () => {
  const of = async (cwd: string, flags: WrittenFlags): Promise<readonly string[]> =>
    short(await problemsOf(cwd, { flags: { ...CLI, ...flags } }));

  it.each(['a/b.txt', '..', '.', '', 'a*b', 'a"b', 'a|b', 'a\nb', 'x'.repeat(256)])(
    'refuses the name %j',
    async (appendRowTo) => {
      expect(await of(await workspace(), { appendRowTo })).toEqual(['PR5203']);
    },
  );

  it('refuses what is there: a file, a folder, a link, a file for a folder', async () => {
    const cwd = await workspace({ 'o/r.txt': 'old', 'o/dir/': '', f: '' });
    await symlink('r.txt', path.join(cwd, 'o/link'));
    expect(await of(cwd, { output: 'o', appendRowTo: 'r.txt' })).toEqual(['PR5204']);
    expect(await of(cwd, { output: 'o', appendRowTo: 'r.txt', overwrite: true })).toEqual([]);
    expect(await of(cwd, { output: 'o', appendRowTo: 'dir', overwrite: true })).toEqual(['PR5205']);
    expect(await of(cwd, { output: 'o', appendRowTo: 'link', overwrite: true })).toEqual(['PR5205']);
    expect(await of(cwd, { output: 'f/below' })).toEqual(['PR5205']);
  });

  it('refuses places of the run itself, the input itself, and addresses', async () => {
    const cwd = await workspace({ 'in.csv': 'x\n' });
    expect(await of(cwd, { name: 'r', output: 'runs/r/logs' })).toEqual(['PR5206']);
    expect(await of(cwd, { appendRowTo: 'dead_letters.jsonl' })).toEqual(['PR5206']);
    expect(await of(cwd, { input: 'in.csv', output: '.', appendRowTo: 'in.csv', overwrite: true })).toEqual(['PR5206']);
    expect(await of(cwd, { output: 'https://host/x' })).toEqual(['PR5207']);
    expect(await of(cwd, { output: 'images' })).toEqual(['PR5208']);
  });
});

describe('the name and the root', () => {
  it.each(['', '../x', 'a/b', 'x'.repeat(101), '\u{1f600}', '.hidden', 'a.', 'a b'])(
    'refuses the name %j',
    async (name) => {
      expect(short(await problemsOf(await workspace(), { flags: { ...CLI, name } }))).toEqual(['PR5201']);
    },
  );

  it('refuses a name that is taken, and a root that is a file', async () => {
    const cwd = await workspace({ file: '' });
    await mkdir(path.join(cwd, 'runs/taken'), { recursive: true });
    const [taken] = await problemsOf(cwd, { flags: { ...CLI, name: 'taken' } });
    expect([taken?.code, taken?.next]).toEqual(['PR5001', 'give another name with --name, or none']);
    expect(short(await problemsOf(cwd, { flags: { ...CLI, root: 'file/below' } }))).toEqual(['PR5202']);
  });

  it('says of a name that is taken only that, not that its result is there as well', async () => {
    const cwd = await workspace({ 'runs/taken/outputs/parallel_run_step.txt': 'row' });
    expect(short(await problemsOf(cwd, { flags: { ...CLI, name: 'taken' } }))).toEqual(['PR5001']);
  });
});

describe('the advertised address', () => {
  it.each(['', '../../x', 'a/b', 'no such', '-x', 'a|b', 'x'.repeat(254)])('refuses %j', async (advertise) => {
    const [problem, ...others] = await problemsOf(await workspace(), { flags: { ...CLI, advertise } });
    expect([problem?.code, others]).toEqual(['PR1011', []]);
  });

  it.each(['10.0.0.5', 'fe80::1', '::1', 'node-3.example'])('takes %s', async (advertise) => {
    const { plan } = await compiled(await workspace(), { flags: { ...CLI, advertise } });
    expect(plan.advertise).toBe(advertise);
  });
});

describe('the engine', () => {
  const of = async (flags: WrittenFlags, env: Record<string, string> = {}) => {
    const cwd = await workspace({ 'job.yml': `${JOB}    resources: { instance_count: 3 }\n` });
    return compiled(cwd, { jobFile: 'job.yml', flags, env });
  };

  it('gives the run as many nodes as it asks for, and keeps no password', async () => {
    const { plan, warnings, secrets } = await of({ engine: 'nats://me:s3cret@head', share: '3', priority: '-2' });
    expect(warnings).toEqual([]);
    expect(plan).toMatchObject({ nodeCount: 3, engine: 'nats://head:4222', share: 3, priority: -2 });
    expect(JSON.stringify(plan)).not.toContain('s3cret');
    expect(secrets.get('nats://head:4222')).toBe('nats://me:s3cret@head');
    expect((await of({ engine: 'nats://head', nodeCount: '5' })).plan.nodeCount).toBe(5);
  });

  it('comes from the environment, unless somebody says that there is none', async () => {
    const env = { PARALLELRUN_ENGINE: 'tls://head:1' };
    expect((await of({}, env)).plan).toMatchObject({ nodeCount: 3, engine: 'tls://head:1' });
    expect((await of({ engine: 'embedded' }, env)).plan).toMatchObject({ nodeCount: 1 });
    expect((await of({ engine: 'embedded' }, env)).plan.engine).toBeUndefined();
  });

  it.each(['http://head', 'head', 'nats://'])('is refused where it is %j', async (engine) => {
    const cwd = await workspace();
    expect(short(await problemsOf(cwd, { flags: { ...CLI, engine } }))).toEqual(['PR6001']);
  });
});

describe('what is no job file', () => {
  it('says of a script and of a folder how they are meant to be given', async () => {
    const cwd = await workspace();
    const [script, ...others] = await problemsOf(cwd, { jobFile: 'score.py' });
    expect(others).toEqual([]);
    expect(script).toMatchObject({
      code: 'PR1001',
      what: 'score.py is an entry script, not a job file',
      next: 'parallelrun run --entry-script score.py --input PATH',
    });
    const [folder] = await problemsOf(cwd, { jobFile: 'images' });
    expect(folder).toMatchObject({ code: 'PR1001', what: 'the job file images is a folder' });
    expect(folder?.next).toContain('--input');
  });

  it('says what next of a script and an input that are not there', async () => {
    const problems = await problemsOf(await workspace(), { flags: { entryScript: 'other.py', input: 'elsewhere' } });
    expect(problems.map(({ code, next }) => [code, next])).toEqual([
      ['PR2001', 'check the path, and the folder it counts from'],
      ['PR3101', 'check the path, and the folder it counts from'],
    ]);
  });

  it('takes each kind of script that the bundler knows', async () => {
    const cwd = await workspace({ 'a.cts': '', 'b.mts': '' });
    for (const entryScript of ['a.cts', 'b.mts']) {
      const { plan } = await compiled(cwd, { flags: { ...CLI, entryScript } });
      expect(plan.entry.language).toBe('node');
    }
  });
});

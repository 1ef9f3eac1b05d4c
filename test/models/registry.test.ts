/** The registry of models: versions that are there as a whole or not at all. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ParallelRunError } from '../../src/domain/problem.ts';
import { addModel, findModel, listModels, missingModel, registryFolder } from '../../src/models/index.ts';

let here = '';
let registry = '';
beforeEach(() => {
  here = mkdtempSync(join(tmpdir(), 'models-'));
  registry = join(here, 'registry');
});
afterEach(() => rmSync(here, { recursive: true, force: true }));

const created = '2026-11-23T12:00:00Z';
function file(name: string, text = name): string {
  const path = join(here, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

async function refusal(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((thrown: unknown) => thrown);
  if (!(error instanceof ParallelRunError)) throw new Error('not refused');
  expect(error.exitCode).toBe(2);
  return error.problems[0]?.code ?? '';
}

it('is where the user says, else in the folder for data', () => {
  expect(registryFolder({ PARALLELRUN_MODELS: '/m', XDG_DATA_HOME: '/x', HOME: '/h' })).toBe('/m');
  expect(registryFolder({ PARALLELRUN_MODELS: '', XDG_DATA_HOME: '/x', HOME: '/h' })).toBe('/x/parallelrun/models');
  expect(registryFolder({ XDG_DATA_HOME: 'relative', HOME: '/h' })).toBe('/h/.local/share/parallelrun/models');
});

it('adds files and folders as next versions, with what is said of them', async () => {
  const first = await addModel(registry, {
    name: 'm',
    path: file('a.pkl'),
    created,
    tags: { k: 'v' },
    description: 'd',
  });
  expect(first).toEqual({
    name: 'm',
    version: 1,
    path: join(registry, 'm/1/files/a.pkl'),
    created,
    description: 'd',
    tags: { k: 'v' },
    properties: {},
  });
  expect(readFileSync(first.path, 'utf8')).toBe('a.pkl');
  file('net/sub/w');
  const second = await addModel(registry, { name: 'm', path: join(here, 'net'), created });
  expect(readFileSync(join(second.path, 'sub/w'), 'utf8')).toBe('net/sub/w');
  const far = await addModel(registry, { name: 'm', path: file('a.pkl'), created, version: 10 });
  expect([second.version, far.version]).toEqual([2, 10]);
  const next = await addModel(registry, { name: 'm', path: file('a.pkl'), created });
  expect(next.version).toBe(11);
  expect(readdirSync(join(registry, 'm')).sort()).toEqual(['1', '10', '11', '2']);
});

it('keeps a model as it was when links lead elsewhere later', async () => {
  symlinkSync(file('real', 'before'), join(here, 'link'));
  const { path } = await addModel(registry, { name: 'm', path: join(here, 'link'), created });
  writeFileSync(join(here, 'real'), 'after');
  expect(readFileSync(path, 'utf8')).toBe('before');
  file('net/w', 'before');
  symlinkSync(join(here, 'net'), join(here, 'folder'));
  const folder = await addModel(registry, { name: 'm', path: join(here, 'folder'), created });
  writeFileSync(join(here, 'net/w'), 'after');
  expect(readFileSync(join(folder.path, 'w'), 'utf8')).toBe('before');
});

it('lists and finds, the latest by number', async () => {
  for (const version of [9, 10, 2]) await addModel(registry, { name: 'm', path: file('a'), created, version });
  await addModel(registry, { name: 'b', path: file('a'), created });
  // A copy that is going on, one that was given up, and what is none of ours.
  mkdirSync(join(registry, 'm/11/files'), { recursive: true });
  mkdirSync(join(registry, 'm/.new-1-x'));
  file('registry/stray', '');
  const ids = (await listModels(registry)).map(({ name, version }) => `${name}:${version}`);
  expect(ids).toEqual(['b:1', 'm:2', 'm:9', 'm:10']);
  expect((await listModels(registry, 'b')).length).toBe(1);
  expect((await findModel(registry, 'm', undefined))?.version).toBe(10);
  expect((await findModel(registry, 'm', 2))?.version).toBe(2);
  for (const [name, version] of [
    ['m', 3],
    ['n', undefined],
    ['../registry/m', 2],
    ['m/2', undefined],
  ] as const)
    expect(await findModel(registry, name, version)).toBeUndefined();
  const all = await listModels(registry);
  expect(missingModel(registry, all, 'm', 3)).toMatchObject({
    code: 'PR3701',
    why: 'there are the versions 2, 9, 10',
  });
  expect(missingModel(registry, all, 'bb', undefined)).toMatchObject({
    next: 'did you mean b? else: parallelrun models add bb PATH',
  });
});

it('a model whose facts are damaged is a model still', async () => {
  const { path } = await addModel(registry, { name: 'm', path: file('a'), created });
  writeFileSync(join(registry, 'm/1/model.json'), '{ torn');
  expect(await findModel(registry, 'm', 1)).toMatchObject({ path, created: '', tags: {} });
});

it('refuses what is not possible, and leaves nothing of it', async () => {
  const path = file('a');
  await addModel(registry, { name: 'm', path, created, version: 3 });
  expect(await refusal(addModel(registry, { name: 'm', path, created, version: 3 }))).toBe('PR3703');
  for (const name of ['', '..', '../x', 'a/b', '.hidden', 'ü', 'x'.repeat(256)])
    expect(await refusal(addModel(registry, { name, path, created }))).toBe('PR3702');
  expect(await refusal(addModel(registry, { name: 'm', path: join(here, 'none'), created }))).toBe('PR3701');
  expect(await refusal(addModel(path, { name: 'm', path, created }))).toBe('PR3704');
  expect(await refusal(listModels(path))).toBe('PR3704');
  expect(readdirSync(join(registry, 'm'))).toEqual(['3']);
});

it('two at once give two versions, each whole', async () => {
  const path = file('a', 'x'.repeat(100_000));
  const found = await Promise.all(Array.from({ length: 20 }, () => addModel(registry, { name: 'm', path, created })));
  expect(found.map(({ version }) => version).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  expect((await listModels(registry)).length).toBe(20);
  for (const model of found) expect(readFileSync(model.path, 'utf8').length).toBe(100_000);
  const same = await Promise.allSettled(
    [1, 2].map(() => addModel(registry, { name: 'm', path, created, version: 99 })),
  );
  expect(same.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(readdirSync(join(registry, 'm')).filter((name) => name.startsWith('.'))).toEqual([]);
});

it('is one with that of the Python side', async () => {
  await addModel(registry, { name: 'm', path: file('a.pkl'), created, tags: { k: 'v' } });
  const shims = join(import.meta.dirname, '../../python/shims');
  const code = `
from azureml.core.model import Model
print(Model.get_model_path("m"), Model(None, "m").tags, Model(None, "m").created_time.isoformat())
print(Model.register(None, ${JSON.stringify(file('b.pkl'))}, "m", tags={"from": "python"}).id)
`;
  const { stdout } = await promisify(execFile)('python3', ['-c', code], {
    env: { ...process.env, PYTHONPATH: shims, PARALLELRUN_MODELS: registry },
  });
  expect(stdout.split('\n')).toEqual([`${registry}/m/1/files/a.pkl {'k': 'v'} 2026-11-23T12:00:00+00:00`, 'm:2', '']);
  expect(await findModel(registry, 'm', undefined)).toMatchObject({
    version: 2,
    tags: { from: 'python' },
    path: `${registry}/m/2/files/b.pkl`,
  });
});

/** uv where it is there, else pip: their command lines, and the questions they answer. I/O: runs them. */
import { parseRequirement } from '../domain/requirement.ts';
import type { Env } from './cache.ts';
import { runCommand } from './command.ts';
import { findOnPath, type Interpreter } from './interpreter.ts';

type Words = readonly [command: string, ...args: string[]];

export interface Installer {
  readonly name: 'uv' | 'pip';
  readonly venv: (target: string) => Words;
  /** @param python of the virtual environment */
  readonly install: (python: string, file: string) => Words;
}

/** Longest wait for an answer that only improves a message or a choice. */
const QUESTION_TIMEOUT_MS = 30_000;

/**
 * uv on the PATH, else as a module of the interpreter; else pip.
 * @param onTop what the interpreter has already counts as installed: only pip looks there
 */
export async function chooseInstaller(base: Interpreter, onTop: boolean, env: Env): Promise<Installer> {
  const uv = onTop ? undefined : await findUv(base.path, env);
  if (uv === undefined) return pip(base);
  // uv reads no settings of pip, and whoever has a private index has told pip of it.
  const settings = indexOptions(await ask([base.path, '-m', 'pip', 'config', 'list'], env));
  return {
    name: 'uv',
    venv: (target) => [...uv, 'venv', '--python', base.path, target],
    install: (python, file) => [...uv, 'pip', 'install', '--python', python, ...AS_PIP, ...settings, '-r', file],
  };
}

/** The best version of all indexes, not that of the first one. */
const AS_PIP = ['--index-strategy', 'unsafe-best-match'];

/** How uv is called here, where it is. */
export async function findUv(base: string | undefined, env: Env): Promise<Words | undefined> {
  const onPath = await findOnPath('uv', env);
  if (onPath !== undefined) return [onPath];
  if (base === undefined) return undefined;
  const asModule: Words = [base, '-m', 'uv'];
  return (await ask([...asModule, '--version'], env)) === undefined ? undefined : asModule;
}

function pip(base: Interpreter): Installer {
  const quiet = ['--disable-pip-version-check', '--no-input', '--progress-bar', 'off'];
  return {
    name: 'pip',
    venv: (target) => [base.path, '-m', 'venv', target],
    install: (python, file) => [python, '-m', 'pip', 'install', ...quiet, '-r', file],
  };
}

/** What of pip's settings says where packages are, as options of uv: lines such as `global.index-url='https://...'`. */
export function indexOptions(settings: readonly string[] | undefined): readonly string[] {
  const found = new Map<string, string>();
  for (const line of settings ?? []) {
    const [, key = '', text = ''] = /^(?:global|install|site|user|:env:)\.([a-z-]+)='(.*)'$/.exec(line.trim()) ?? [];
    if (['index-url', 'extra-index-url', 'find-links', 'no-index', 'trusted-host'].includes(key)) found.set(key, text);
  }
  const words = (key: string): readonly string[] =>
    (found.get(key) ?? '').split(/\\n|\s+/).filter((word) => word !== '');
  const [index] = words('index-url');
  return [
    ...(index === undefined ? [] : ['--index-url', index]),
    ...words('extra-index-url').flatMap((url) => ['--extra-index-url', url]),
    ...words('find-links').flatMap((place) => ['--find-links', place]),
    ...words('trusted-host').flatMap((host) => ['--allow-insecure-host', host]),
    ...(/^(1|true|yes|on)$/i.test(found.get('no-index') ?? '') ? ['--no-index'] : []),
  ];
}

/** @returns the interpreter of that version which uv has installed already; it downloads none. */
export async function uvInterpreter(asked: string, base: string | undefined, env: Env): Promise<string | undefined> {
  const uv = await findUv(base, env);
  if (uv === undefined) return undefined;
  const lines = await ask([...uv, 'python', 'find', '--managed-python', '--no-python-downloads', asked], env);
  return lines?.find((line) => line.startsWith('/'));
}

/** Versions that could be had; none where that can't be told. */
export async function existingVersions(
  installer: Installer,
  python: string,
  requirement: string,
  lines: readonly string[],
  withWheel: boolean,
  env: Env,
): Promise<readonly string[]> {
  const own = parseRequirement(requirement);
  if (own === undefined) return [];
  const options = lines.filter((line) =>
    /^--?(i|index-url|extra-index-url|find-links|f|no-index|trusted-host)\b/.test(line),
  );
  return installer.name === 'pip'
    ? pipVersions(python, own.shown, options, withWheel, env)
    : uvVersions(installer, python, own, options, withWheel, env);
}

async function pipVersions(
  python: string,
  name: string,
  options: readonly string[],
  withWheel: boolean,
  env: Env,
): Promise<readonly string[]> {
  const words = options.flatMap((line) => line.split(/[\s=]+/));
  const wheels = withWheel ? ['--only-binary', ':all:'] : [];
  const said = await ask(
    [python, '-m', 'pip', 'index', 'versions', ...words, ...wheels, '--disable-pip-version-check', name],
    env,
  );
  const list = said?.flatMap((line) => /^Available versions: (.*)$/.exec(line)?.[1] ?? [])[0] ?? '';
  return list.split(/,\s*/).filter((version) => version !== '');
}

/** uv lists no versions; it names the lowest above a version and the highest below it. */
async function uvVersions(
  installer: Installer,
  python: string,
  own: { readonly shown: string; readonly version: string },
  options: readonly string[],
  withWheel: boolean,
  env: Env,
): Promise<readonly string[]> {
  const pinned = /\d[^,;*\s]*/.exec(own.version)?.[0]?.replace(/\.$/, '');
  const questions: (readonly [string, ...string[]])[] =
    pinned === undefined
      ? [[own.shown]]
      : [[`${own.shown}>${pinned}`, '--resolution', 'lowest'], [`${own.shown}<${pinned}`], [own.shown]];
  const install = installer.install(python, '-');
  const from = install.indexOf('--python');
  const uv = install.slice(0, install.indexOf('pip'));
  const settings = install.slice(from, -2);
  const [command = 'uv', ...front] = uv;
  const wheels = withWheel ? ['--only-binary', ':all:'] : [];
  const answers = await Promise.all(
    questions.map(([question, ...more]) =>
      ask(
        [
          command,
          ...front,
          'pip',
          'compile',
          '-q',
          '--no-deps',
          '--no-header',
          '--no-annotate',
          ...wheels,
          ...more,
          ...settings,
          '-',
        ],
        env,
        [...options, question].join('\n'),
      ),
    ),
  );
  return answers.flatMap((lines) =>
    (lines ?? []).flatMap((line) => /^[A-Za-z0-9][\w.-]*==([^\s;]+)/.exec(line)?.[1] ?? []),
  );
}

/** @returns what it said, undefined where it failed. */
async function ask(words: Words, env: Env, input?: string): Promise<readonly string[] | undefined> {
  const lines: string[] = [];
  const [command, ...args] = words;
  const end = await runCommand(command, args, {
    env: { ...env, NO_COLOR: '1' },
    timeoutMs: QUESTION_TIMEOUT_MS,
    ...(input === undefined ? {} : { input }),
    onLine: (line) => lines.push(line),
  });
  return end.ended === 'exit' && end.code === 0 ? lines : undefined;
}

/** Which interpreter an environment is made of, with interpreters that only say who they are. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { baseInterpreter } from '../../src/environment/base.ts';
import { indexOptions } from '../../src/environment/installers.ts';
import { scratchFolder } from './scratch.ts';

interface Machine {
  readonly folder: string;
  readonly python: (path: string, version: string) => string;
  readonly program: (path: string, text: string) => string;
}

function machine(): Machine {
  const folder = scratchFolder();
  const program = (path: string, text: string): string => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
    return file;
  };
  return {
    folder,
    program,
    python: (path, version) =>
      program(path, `case "$*" in *-S*) echo "parallelrun-interpreter|${version}|$0";; *) exit 1;; esac`),
  };
}

async function choose({ folder }: Machine, asked: string | undefined, named?: string) {
  const lines: string[] = [];
  const found = await baseInterpreter({
    asked,
    named,
    source: 'conda.yml',
    env: { PATH: `${folder}/bin`, HOME: folder },
    onProgress: (line) => lines.push(line),
  });
  if (!found.ok) throw new Error(found.error.what);
  return { ...found.value, lines };
}

describe('baseInterpreter', () => {
  it('python3 where nothing else is asked for, or where it fits', async () => {
    const here = machine();
    const path = here.python('bin/python3', '3.11.7');
    here.python('bin/python3.8', '3.8.1');
    for (const asked of [undefined, '3.11', '>=3.8,<3.12', '3.11.*', '~=3.10'])
      expect(await choose(here, asked)).toEqual({ path, version: '3.11.7', lines: [] });
  });
  it('that of the PATH with the version that is asked for', async () => {
    const here = machine();
    here.python('bin/python3', '3.11.7');
    const path = here.python('bin/python3.8', '3.8.1');
    for (const asked of ['3.8', '>=3.8,<3.10', '3.8.18', '<3.9'])
      expect(await choose(here, asked)).toEqual({
        path,
        version: '3.8.1',
        lines: [`Python ${asked} is asked for in conda.yml: ${path} (3.8.1), of the PATH`],
      });
  });
  it('the newest that fits', async () => {
    const here = machine();
    here.python('bin/python3', '3.13.0');
    here.python('bin/python3.9', '3.9.1');
    const path = here.python('bin/python3.10', '3.10.2');
    expect(await choose(here, '>=3.8,<3.12')).toMatchObject({ path });
  });
  it('that of pyenv where its shim is switched off', async () => {
    const here = machine();
    here.python('bin/python3', '3.11.7');
    here.program('bin/python3.8', 'echo "pyenv: python3.8: command not found" >&2; exit 127');
    here.python('.pyenv/versions/3.8.2/bin/python', '3.8.2');
    const path = here.python('.pyenv/versions/3.8.18/bin/python', '3.8.18');
    expect(await choose(here, '3.8')).toMatchObject({
      path,
      lines: [`Python 3.8 is asked for in conda.yml: ${path} (3.8.18), of pyenv`],
    });
  });
  it('that which uv has installed, without a download', async () => {
    const here = machine();
    here.python('bin/python3', '3.11.7');
    const path = here.python('managed/python3.8', '3.8.20');
    here.program(
      'bin/uv',
      `case "$*" in "python find --managed-python --no-python-downloads 3.8") echo ${path};; *) exit 2;; esac`,
    );
    expect(await choose(here, '3.8')).toMatchObject({ path, lines: [expect.stringContaining('of uv')] });
  });
  it('python3 with a line that says why, where there is no other', async () => {
    const here = machine();
    const path = here.python('bin/python3', '3.11.7');
    expect((await choose(here, '3.19')).lines).toEqual([
      `Python 3.19 is asked for in conda.yml; this machine has 3.11.7, which is used instead (${path}): there is no python3.19 on the PATH, and none of pyenv or uv`,
    ]);
    expect((await choose(here, '3.6')).lines).toEqual([
      `Python 3.6 is asked for in conda.yml; this machine has 3.11.7, which is used instead (${path}): workers need 3.8 or newer`,
    ]);
  });
  it('the named one, whatever is asked for', async () => {
    const here = machine();
    here.python('bin/python3.8', '3.8.1');
    const named = here.python('own/python', '3.12.1');
    expect(await choose(here, '3.8', named)).toEqual({
      path: named,
      version: '3.12.1',
      lines: [
        `Python 3.8 is asked for in conda.yml; this machine has 3.12.1, which is used instead (${named}): it is named`,
      ],
    });
  });
});

describe('indexOptions', () => {
  it('tells uv where pip looks for packages', () => {
    expect(
      indexOptions([
        "global.index-url='https://a.example/simple'",
        "user.extra-index-url='https://b.example/x\\nhttps://c.example/y'",
        "global.timeout='60'",
        "install.trusted-host='a.example'",
        "global.no-index='false'",
        "global.index-url='https://site.example/simple'",
        ":env:.find-links='/wheels /more'",
        'nonsense',
      ]),
    ).toEqual([
      ...['--index-url', 'https://site.example/simple'],
      ...['--extra-index-url', 'https://b.example/x', '--extra-index-url', 'https://c.example/y'],
      ...['--find-links', '/wheels', '--find-links', '/more', '--allow-insecure-host', 'a.example'],
    ]);
    expect(indexOptions(["global.no-index='1'"])).toEqual(['--no-index']);
    expect(indexOptions(undefined)).toEqual([]);
  });
});

/** A virtual environment in which the packages of another interpreter stay visible. I/O. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Env } from './cache.ts';
import { runCommand } from './command.ts';
import type { Interpreter } from './interpreter.ts';

const MARK = 'parallelrun-path|';
/** Also what the base itself has from elsewhere: the packages below its own virtual environment, those of the user. */
const FOLDERS = `import sys, os
for p in sys.path:
    if os.path.basename(p) in ("site-packages", "dist-packages"): print("${MARK}" + p)`;
const OWN = `import sysconfig; print("${MARK}" + sysconfig.get_path("purelib"))`;

/**
 * A path file, since `--system-site-packages` of a virtual environment that is made of another one means the packages of the
 * system, not those of the other one. What is added so comes behind the
 * environment's own packages, with path files of its own.
 */
export async function layOnTop(base: Interpreter, python: string, env: Env): Promise<void> {
  const { PYTHONNOUSERSITE: _, ...asUser } = env;
  const folders = await paths(base.path, FOLDERS, asUser);
  const [own] = await paths(python, OWN, env);
  if (own !== undefined && folders.length > 0)
    await writeFile(
      join(own, 'parallelrun-base.pth'),
      folders.map((folder) => `import site; site.addsitedir(${JSON.stringify(folder)})\n`).join(''),
    );
}

async function paths(python: string, code: string, env: Env): Promise<readonly string[]> {
  const found: string[] = [];
  await runCommand(python, ['-c', code], {
    env,
    onLine: (line) => {
      if (line.startsWith(MARK)) found.push(line.slice(MARK.length));
    },
  });
  return found;
}

/** The machine the benchmarks run on: what it is, how busy it is, which versions are there. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { cache, root } from '../../scripts/lib.mjs';

const LOOK_MS = 300;

/** Busy and all ticks of all cores; undefined where there is no /proc. */
function ticks() {
  try {
    const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/).slice(1, 9).map(Number);
    const all = fields.reduce((sum, one) => sum + one, 0);
    return { all, busy: all - fields[3] - fields[4] };
  } catch {
    return undefined;
  }
}

/** Load of the last minute, which knows our own last run too, and the cores that others keep busy right now. */
export async function loadNow() {
  const before = ticks();
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  const after = ticks();
  const known = before !== undefined && after !== undefined && after.all > before.all;
  const busy = known ? ((after.busy - before.busy) / (after.all - before.all)) * cpus().length : undefined;
  return { load: loadavg()[0], busy };
}

export function machineText() {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor';
  return `${cpus().length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}`;
}

function firstLine(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? (stdout || stderr).split('\n')[0].trim() : undefined;
}

const OF_PACKAGES = `
import json, sys
from importlib.metadata import version, PackageNotFoundError
found = {"python": sys.version.split()[0]}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
`;
const PACKAGES = ['numpy', 'pandas', 'pyarrow', 'joblib', 'scikit-learn', 'ray', 'dask', 'pyspark'];

/** @returns {Record<string, string>} only of what is there */
export function versions(python) {
  const commit = firstLine('git', ['describe', '--always', '--dirty']);
  const found = {
    commit,
    node: process.version.slice(1),
    ...JSON.parse(firstLine(python, ['-c', OF_PACKAGES, ...PACKAGES])),
  };
  try {
    const installed = readFileSync(join(cache, 'bench-node/node_modules/piscina/package.json'), 'utf8');
    found.piscina = JSON.parse(installed).version;
  } catch {
    // Not installed: a line of its benchmark says so.
  }
  found.parallel = firstLine('parallel', ['--version'])?.replace(/^\D*/, '');
  found.java = /version "([^"]+)"/.exec(firstLine('java', ['-version']) ?? '')?.[1];
  return Object.fromEntries(Object.entries(found).filter(([, version]) => version !== undefined));
}

/** Kills at system calls: which calls of a run change a file, and how to end the orchestrator at one of them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const CALLS = 'write,pwrite64,writev,pwritev,pwritev2,fdatasync,fsync,rename,renameat,renameat2,ftruncate,truncate';
const FOLDERS = 'unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,chmod,fchmod,copy_file_range,openat,getdents64';
/** Detached at execve: children are not followed. */
const STRACE = ['strace', '-f', '-qq', '-b', 'execve', '-y', '-s', '0'];

export function haveStrace() {
  const works = () => spawnSync('strace', ['-f', '-qq', '-b', 'execve', '-o', '/dev/null', 'true']).status === 0;
  if (works()) return true;
  if (process.getuid?.() === 0) spawnSync('apt-get', ['install', '-y', '-q', 'strace'], { stdio: 'ignore' });
  return works();
}

/** Runs under strace. @returns how it ended, and its calls that change something below the folder of the space */
export async function record(space, args) {
  const trace = join(space.folder, 'trace');
  const ended = await space.run(args, [...STRACE, '-e', `trace=${CALLS},${FOLDERS}`, '-o', trace]);
  return { ended, points: pointsOf(trace, space.folder) };
}

/** Command that a command line is given to, which is then killed when it is about to make this call. */
export const killAt = (space, { kind, path, nth }) => [
  ...[...STRACE, '-o', '/dev/null', '-P', space.folder + path],
  ...['-e', `trace=${kind}`, '-e', `inject=${kind}:signal=SIGKILL:when=${nth}`],
];

/** Calls of a recorded run that change something below `folder`, in their order. */
function pointsOf(trace, folder) {
  const points = [];
  const seen = new Map();
  for (const line of readFileSync(trace, 'utf8').split('\n')) {
    const match = /^(\d+) +(\w+)\((.*)$/.exec(line);
    if (!match) continue;
    const [, thread, kind, rest] = match;
    const path = pathOf(kind, rest);
    if (path === undefined || !path.startsWith(`${folder}/`)) continue;
    // Who lists the folder of the lock is about to take it; the lock's own name is another one each time.
    if (kind === 'getdents64' ? !path.endsWith('/state') : path.includes('.lock-')) continue;
    const key = `${kind} ${path.slice(folder.length)}`;
    const nth = (seen.get(`${thread} ${key}`) ?? 0) + 1;
    seen.set(`${thread} ${key}`, nth);
    if (/= -1 E/.test(rest)) continue;
    if (!points.some((p) => p.key === key && p.nth === nth))
      points.push({ key, kind, path: path.slice(folder.length), nth });
  }
  return points;
}

function pathOf(kind, rest) {
  if (kind === 'openat' && !/O_CREAT|O_TRUNC/.test(rest)) return undefined;
  const paths = [...rest.matchAll(/"([^"]*)"/g)].map((m) => m[1]);
  // strace filters a renaming by the old name.
  if (kind.startsWith('rename')) return paths[0];
  const onFile = /^\d+<([^>]*)>/.exec(rest)?.[1];
  return kind === 'openat' || onFile === undefined ? paths.at(-1) : onFile;
}

/** Where in reliability.md 3.5 a call lies. */
export function commitPoint(scenario, { kind, path }) {
  if (scenario === 'resume' && /truncate/.test(kind)) return 'CP12';
  if (/assembling|\.partial|step\.txt|\/outputs$/.test(path) && kind !== 'mkdir') return 'CP10';
  if (/\/parts\//.test(path)) return 'CP9';
  if (/rows\.spool/.test(path)) return kind === 'openat' ? 'CP11' : kind === 'fdatasync' ? 'CP6' : 'CP5';
  if (/ledger\.journal/.test(path)) return kind === 'openat' ? 'CP11' : kind === 'fdatasync' ? 'CP8' : 'CP7';
  if (/manifest/.test(path)) return 'CP0';
  if (/\/state|\/outputs|azureml-logs$|plan\.json|^\/runs(\/r)?$/.test(path)) return 'CP11';
  return 'logs';
}

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pause } from './command.ts';

/**
 * A lock between processes that may be killed at any time. Each contender puts an empty file of its own beside the
 * others, named after host, process and the start time of that process, and holds the lock if no other living
 * contender is there then; otherwise it takes its file away and waits. A name is never used twice, so the file of
 * a dead process can be removed by anybody at any time without hitting somebody's living lock, which a single lock
 * file can't offer.
 */
export interface Lock {
  release(): Promise<void>;
}

const POLL_MS = 100;
/** A holder touches its file this often; on another host nothing else tells that it lives. */
const REFRESH_MS = 20_000;
const FOREIGN_STALE_MS = 120_000;

/**
 * @param prefix file name that all contenders share, inside `folder`.
 * @param onWait called once if somebody else holds the lock, with that process's id.
 * @returns undefined where the signal came first.
 */
export async function acquireLock(
  folder: string,
  prefix: string,
  onWait: (pid: number) => void,
  signal?: AbortSignal,
): Promise<Lock | undefined> {
  let told = false;
  while (!signal?.aborted) {
    const lock = await tryLock(folder, prefix);
    if ('release' in lock) return lock;
    if (!told) onWait(lock.pid);
    told = true;
    // Two that came at the same moment both withdraw: different pauses let one of them through.
    await pause(POLL_MS * (0.5 + (randomBytes(1)[0] ?? 0) / 256));
  }
  return undefined;
}

/** Takes the lock now, or tells which process holds it (or is about to). */
export async function tryLock(folder: string, prefix: string): Promise<Lock | { readonly pid: number }> {
  const before = await livingContender(folder, prefix, undefined, 'remove stale');
  if (before) return before;
  const mine = lockName(prefix);
  const path = join(folder, mine);
  await writeFile(path, '', { flag: 'wx', mode: 0o600 });
  const other = await livingContender(folder, prefix, mine, 'remove stale');
  if (!other) return hold(path);
  await rm(path, { force: true });
  return other;
}

/** The living holder of a lock; only looks. */
export function lockHolder(folder: string, prefix: string): Promise<{ readonly pid: number } | undefined> {
  return livingContender(folder, prefix, undefined, 'only look');
}

function hold(path: string): Lock {
  const timer = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), REFRESH_MS).unref();
  return {
    release: async () => {
      clearInterval(timer);
      // On a disk that has turned read-only it stays: the next one sees that its process is gone.
      await rm(path, { force: true }).catch(() => undefined);
    },
  };
}

function lockName(prefix: string): string {
  const host = Buffer.from(hostname()).toString('hex').slice(0, 80);
  return `${prefix}.lock-${host}-${process.pid}-${processStart(process.pid) ?? 0}-${randomBytes(4).toString('hex')}`;
}

async function livingContender(
  folder: string,
  prefix: string,
  except: string | undefined,
  stale: 'remove stale' | 'only look',
): Promise<{ pid: number } | undefined> {
  const own = Buffer.from(hostname()).toString('hex').slice(0, 80);
  for (const name of await readdir(folder)) {
    if (name === except || !name.startsWith(`${prefix}.lock-`)) continue;
    const [host = '', pidText = '', start = ''] = name.slice(`${prefix}.lock-`.length).split('-');
    const pid = Number(pidText);
    const alive = host === own ? isAlive(pid, Number(start)) : await touchedLately(join(folder, name));
    if (alive) return { pid };
    if (stale === 'remove stale') await rm(join(folder, name), { force: true });
  }
  return undefined;
}

async function touchedLately(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs < FOREIGN_STALE_MS;
}

function isAlive(pid: number, start: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const now = processStart(pid);
  // Without /proc the process id alone decides.
  return now === undefined || start === 0 || now === start;
}

/** Start time of a process in clock ticks since boot (Linux): tells a process from a later one with the same id. */
function processStart(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}

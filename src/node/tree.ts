/**
 * Killing a worker with everything it ever started. Three means, because each alone has a hole: the process group
 * (left by `setsid`), the tree of parents (cut by a double fork), and the session marker in the environment, which
 * is inherited by all of them (lost only by a program that clears its environment).
 */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { SESSION_MARKER, WORKER_MARKER } from './environment.ts';
import { listProcesses, listStats, readStat, treeOf } from './procfs.ts';

/** How long leftovers are chased. */
export const SWEEP_MS_MAX = 2_000;
const SWEEP_AGAIN_MS = 20;

export interface Marker {
  readonly session: string;
  /** `workerMarker`; absent: all workers of the session. */
  readonly worker?: string;
}

/** Processes, dead ones excepted, whose environment carries the marker. Other users' can't be read and aren't ours. */
export function findMarked(marker: Marker): number[] {
  const wanted = [`${SESSION_MARKER}=${marker.session}`];
  if (marker.worker !== undefined) wanted.push(`${WORKER_MARKER}=${marker.worker}`);
  return listProcesses().filter((pid) => pid !== process.pid && hasEntries(pid, wanted));
}

/** Processes of an earlier agent of this run that died without sweeping: nobody else may run in this run's folder. */
export function findOrphans(jobTemp: string, session: string): number[] {
  return listProcesses().filter((pid) => {
    const entries = pid === process.pid ? undefined : readEnvironment(pid);
    if (!entries?.includes(`AZ_BATCHAI_JOB_TEMP=${jobTemp}`)) return false;
    return !entries.includes(`${SESSION_MARKER}=${session}`) && entries.some((e) => e.startsWith(`${WORKER_MARKER}=`));
  });
}

function hasEntries(pid: number, wanted: readonly string[]): boolean {
  const entries = readEnvironment(pid);
  return entries !== undefined && wanted.every((entry) => entries.includes(entry));
}

function readEnvironment(pid: number): string[] | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0');
  } catch {
    return undefined;
  }
}

/** SIGKILL to the group and to all descendants of `pid`. @returns those that were there. */
export function killTree(pid: number, isGroupLeader: boolean): number[] {
  const tree = treeOf(pid, listStats()).map((stat) => stat.pid);
  killProcess(isGroupLeader ? -pid : pid);
  for (const member of tree) killProcess(member);
  return tree;
}

/** A process that is gone is as good as killed; one that may not be killed shows up as a leftover. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH, EPERM: see above
  }
}

/**
 * Kills what carries the marker, those of `known` that still live, and those that `others` finds, again and again until
 * none is left.
 * @returns what was still there after `SWEEP_MS_MAX`.
 */
export async function sweep(
  marker: Marker,
  known: readonly number[] = [],
  others: () => readonly number[] = () => [],
): Promise<number[]> {
  const births = new Map(known.flatMap((pid) => [[pid, readStat(pid)?.startedAt] as const]));
  const end = performance.now() + SWEEP_MS_MAX;
  for (;;) {
    const left = new Set([...findMarked(marker), ...others()]);
    for (const [pid, birth] of births) if (isAlive(pid, birth)) left.add(pid);
    for (const pid of left) killProcess(pid);
    if (left.size === 0) return [];
    if (performance.now() >= end) return [...left];
    await wait(SWEEP_AGAIN_MS);
  }
}

/** The same process still runs: not another one with its number, and not a dead one nobody has reaped. */
function isAlive(pid: number, birth: number | undefined): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.startedAt === birth && stat.state !== 'Z';
}

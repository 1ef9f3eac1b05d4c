/** What is read from `/proc`, as values. The parsers are pure; the readers give undefined where a file is not there. */
import { readFileSync, readdirSync } from 'node:fs';

/** Clock ticks a second of `/proc/PID/stat`: fixed by the kernel's interface. */
export const TICKS_PER_SECOND = 100;

export interface ProcessStat {
  readonly pid: number;
  readonly comm: string;
  /** One letter; `Z` is dead and not reaped. */
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  /** Of children that have ended and were waited for. */
  readonly childUserSeconds: number;
  readonly childSystemSeconds: number;
  readonly threads: number;
  /** Seconds since boot. */
  readonly startedAt: number;
  readonly rssPages: number;
}

/** A command name may hold blanks and parentheses: the last `)` ends it. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const f = text.slice(close + 2).split(' ');
  if (f.length < 22) return undefined;
  const seconds = (at: number): number => Number(f[at]) / TICKS_PER_SECOND;
  return {
    pid: Number(text.slice(0, open)),
    comm: text.slice(open + 1, close),
    state: f[0] ?? '?',
    parent: Number(f[1]),
    session: Number(f[3]),
    userSeconds: seconds(11),
    systemSeconds: seconds(12),
    childUserSeconds: seconds(13),
    childSystemSeconds: seconds(14),
    threads: Number(f[17]),
    startedAt: seconds(19),
    rssPages: Number(f[21]),
  };
}

/** `Name: value` and `name value` files as numbers: `/proc/meminfo`, `/proc/PID/io`, `memory.events`, `vmstat`. */
export function parseCounters(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([^\s:]+):?\s+(\d+)/.exec(line);
    if (match) counters.set(match[1] ?? '', Number(match[2]));
  }
  return counters;
}

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function readStat(pid: number): ProcessStat | undefined {
  const text = readText(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseStat(text);
}

/** Ids of all processes that can be seen; empty without `/proc`. */
export function listProcesses(): number[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  } catch {
    return [];
  }
}

export function listStats(): ProcessStat[] {
  return listProcesses().flatMap((pid) => readStat(pid) ?? []);
}

/** `root` and everything below it: by parent, by session, and by the parents of those. Empty where it is not there. */
export function treeOf(root: number, stats: readonly ProcessStat[]): ProcessStat[] {
  const found = new Set<number>([root]);
  for (let size = 0; size !== found.size;) {
    size = found.size;
    for (const stat of stats) {
      if (found.has(stat.parent) || stat.session === root) found.add(stat.pid);
    }
  }
  return stats.filter((stat) => found.has(stat.pid));
}

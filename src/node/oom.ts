/**
 * The kernel's killer of processes: whom it is to choose, and the proof that it did: its own counters, never a guess
 * from signal 9.
 */
import { writeFileSync } from 'node:fs';
import { parseCounters, readText } from './procfs.ts';

/** A kill and the rise of its counter are seen apart by less than this. */
const SETTLED_AFTER_MS = 2_000;

/** Added to the score of workers, of at most 1000; 0 is what a process has of itself. */
const VICTIM_SCORE = 500;

/** If the kernel must kill, then a worker or what it started, never the agent, which would end the whole run. */
export function preferAsVictim(pid: number): void {
  if (pid === 0) return;
  const own = Number(readText('/proc/self/oom_score_adj') ?? 0);
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(Math.min(1000, Math.max(0, own) + VICTIM_SCORE)));
  } catch {
    // gone already, or no such file on this system
  }
}

/** Files that count OOM kills: those of the own cgroup (v2, v1), else the machine's. Pure. */
export function oomCounterFiles(ownCgroups: string): string[] {
  const files: string[] = [];
  for (const line of ownCgroups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const below = path === '/' ? '' : path;
    if (controllers === '') files.push(`/sys/fs/cgroup${below}/memory.events`, '/sys/fs/cgroup/memory.events');
    if (controllers?.split(',').includes('memory')) {
      files.push(`/sys/fs/cgroup/memory${below}/memory.oom_control`, '/sys/fs/cgroup/memory/memory.oom_control');
    }
  }
  return [...files, '/proc/vmstat'];
}

/** The first file that has the counter. */
export function readOomKills(files: readonly string[]): number | undefined {
  for (const file of files) {
    const kills = parseCounters(readText(file) ?? '').get('oom_kill');
    if (kills !== undefined) return kills;
  }
  return undefined;
}

/** Matches deaths by SIGKILL with rises of the counter; each rise explains one death. */
export class OomWitness {
  readonly #read: () => number | undefined;
  #explained: number;
  #fresh: { readonly kills: number; readonly at: number };

  constructor(read: () => number | undefined = readOwnOomKills()) {
    this.#read = read;
    this.#explained = read() ?? 0;
    this.#fresh = { kills: this.#explained, at: 0 };
  }

  /** Called now and then: rises that no death of a worker followed (a child of a worker, a neighbour) are forgotten. */
  refresh(now: number): void {
    if (now - this.#fresh.at < SETTLED_AFTER_MS) return;
    this.#explained = Math.max(this.#explained, this.#fresh.kills);
    this.#fresh = { kills: this.#read() ?? 0, at: now };
  }

  /** A worker died by a SIGKILL that wasn't ours. */
  explainsKill(): boolean {
    const kills = this.#read() ?? 0;
    if (kills <= this.#explained) return false;
    this.#explained += 1;
    return true;
  }
}

function readOwnOomKills(): () => number | undefined {
  const files = oomCounterFiles(readText('/proc/self/cgroup') ?? '');
  return () => readOomKills(files);
}

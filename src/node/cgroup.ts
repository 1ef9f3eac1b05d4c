/**
 * A control group per worker, where this agent was given a place to make them: the kernel then holds the memory limit
 * to the byte, kills everything that ever came of a worker, whatever it did to hide, and counts its out-of-memory kills.
 *
 * A place is a folder that `PARALLELRUN_CGROUP` names, or the agent's own group, or the one above, where that was
 * delegated to its user: in version 2 it is the one above, because a group with processes in it can't be divided. root
 * may write everywhere, which is no delegation: groups of others would be changed. Then only a named folder counts.
 * `PARALLELRUN_CGROUP=off`: none. Without a place, process groups, parents and the marker do (`tree.ts`).
 */
import { mkdirSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { SYSTEM_FILES, memoryPlaces } from './nodememory.ts';
import type { CgroupPlace, MemoryFiles } from './nodememory.ts';
import { parseCounters, readStat, readText } from './procfs.ts';
import { killProcess } from './tree.ts';

const SETTING = 'PARALLELRUN_CGROUP';
const PREFIX = 'parallelrun-';

/** @returns where groups may be made; undefined where there is no such place. */
export function findCgroupPlace(
  environment: Readonly<Record<string, string | undefined>>,
  files: MemoryFiles = SYSTEM_FILES,
  user: number = process.getuid?.() ?? 0,
): CgroupPlace | undefined {
  const named = environment[SETTING];
  if (named === 'off') return undefined;
  if (named !== undefined && named !== '') return placeAt(named, files.cgroupRoot);
  if (user === 0) return undefined;
  return memoryPlaces(readText(files.ownCgroups) ?? '', files.cgroupRoot)
    .flatMap((own) => [own, { ...own, folder: dirname(own.folder) }])
    .find((place) => ownerOf(place.folder) === user && isUsable(place));
}

function placeAt(folder: string, root: string): CgroupPlace | undefined {
  const version = readText(`${folder}/memory.limit_in_bytes`) === undefined ? 2 : 1;
  const place = { version, mount: root, folder } as const;
  return isUsable(place) ? place : undefined;
}

/** In version 2 the memory of groups is accounted only where the one above says so. */
function isUsable({ version, folder }: CgroupPlace): boolean {
  if (version === 1) return readText(`${folder}/memory.limit_in_bytes`) !== undefined;
  const control = `${folder}/cgroup.subtree_control`;
  const lists = (file: string): boolean => (readText(file) ?? '').split(/\s+/).includes('memory');
  if (lists(control)) return true;
  if (!lists(`${folder}/cgroup.controllers`)) return false;
  try {
    writeFileSync(control, '+memory');
    return true;
  } catch {
    // there are processes in it
    return false;
  }
}

function ownerOf(folder: string): number | undefined {
  return statSync(folder, { throwIfNoEntry: false })?.uid;
}

/** The groups of one agent. */
export class CgroupHome {
  readonly #version: 1 | 2;
  readonly #folder: string;

  private constructor(version: 1 | 2, folder: string) {
    this.#version = version;
    this.#folder = folder;
  }

  /** @returns undefined where it can't be made; then there are no groups. */
  static open(place: CgroupPlace, session: string): CgroupHome | undefined {
    const folder = `${place.folder}/${PREFIX}${process.pid}-${session}`;
    try {
      removeAbandoned(place.folder);
      mkdirSync(folder);
      if (place.version === 2) writeFileSync(`${folder}/cgroup.subtree_control`, '+memory');
      return new CgroupHome(place.version, folder);
    } catch {
      removeGroup(folder);
      return undefined;
    }
  }

  /**
   * A group with this process in it; what it starts from now on is in it too.
   * @returns undefined where that failed: the worker goes without one
   */
  put(process: string, pid: number, limitBytes: number | undefined): WorkerCgroup | undefined {
    const folder = `${this.#folder}/${process}`;
    try {
      mkdirSync(folder);
      const group = new WorkerCgroup(this.#version, folder);
      if (limitBytes !== undefined) group.limit(limitBytes);
      writeFileSync(`${folder}/cgroup.procs`, String(pid));
      return group;
    } catch {
      removeGroup(folder);
      return undefined;
    }
  }

  close(): void {
    removeGroup(this.#folder);
  }
}

export class WorkerCgroup {
  readonly #version: 1 | 2;
  readonly #folder: string;

  constructor(version: 1 | 2, folder: string) {
    this.#version = version;
    this.#folder = folder;
  }

  /** @throws where the kernel refuses it */
  limit(bytes: number): void {
    if (this.#version === 1) return writeFileSync(`${this.#folder}/memory.limit_in_bytes`, String(bytes));
    writeFileSync(`${this.#folder}/memory.max`, String(bytes));
    try {
      // one of them killed and the others left would be a worker that waits for ever for its child
      writeFileSync(`${this.#folder}/memory.oom.group`, '1');
    } catch {
      // kernels before 4.19
    }
  }

  /** How often the kernel killed in this group for want of memory. */
  get oomKills(): number {
    const file = this.#version === 1 ? 'memory.oom_control' : 'memory.events';
    return parseCounters(readText(`${this.#folder}/${file}`) ?? '').get('oom_kill') ?? 0;
  }

  /** Processes in it, dead ones that nobody has reaped excepted. */
  members(): number[] {
    const pids = (readText(`${this.#folder}/cgroup.procs`) ?? '').split('\n').filter((line) => line !== '');
    return pids.map(Number).filter((pid) => readStat(pid)?.state !== 'Z');
  }

  /** SIGKILL to all of them; at one stroke where the kernel can. */
  kill(): void {
    if (this.#version === 2) {
      try {
        return writeFileSync(`${this.#folder}/cgroup.kill`, '1');
      } catch {
        // kernels before 5.14
      }
    }
    for (const pid of this.members()) killProcess(pid);
  }

  /** To be called once nobody is in it. */
  remove(): void {
    removeGroup(this.#folder);
  }
}

/** Groups of agents that died without a word: empty ones can be removed, others are not touched. */
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const [, pid] = new RegExp(`^${PREFIX}(\\d+)-`).exec(name) ?? [];
    if (pid === undefined || readStat(Number(pid))) continue;
    const home = `${folder}/${name}`;
    for (const inner of folders(home)) removeGroup(`${home}/${inner}`);
    removeGroup(home);
  }
}

function folders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

function removeGroup(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // not there, or somebody is still in it
  }
}

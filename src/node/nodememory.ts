/** How much memory is left to the workers of a node: of the machine, and of the containers around this process. */
import { parseCounters, readText } from './procfs.ts';
import type { NodeMemory } from './memoryguard.ts';

/** Limits at or above this are none: version 1 of cgroups writes a number of pages near 2^63. */
const NO_LIMIT_BYTES = 2 ** 60;

export interface MemoryFiles {
  /** `/proc/meminfo`. */
  readonly meminfo: string;
  /** `/proc/self/cgroup`. */
  readonly ownCgroups: string;
  /** `/sys/fs/cgroup`. */
  readonly cgroupRoot: string;
}

export const SYSTEM_FILES: MemoryFiles = {
  meminfo: '/proc/meminfo',
  ownCgroups: '/proc/self/cgroup',
  cgroupRoot: '/sys/fs/cgroup',
};

/** One control group with a limit, and the files that say how far it is. */
export interface LimitedGroup {
  readonly folder: string;
  readonly version: 1 | 2;
  readonly limitBytes: number;
}

/** A place in a hierarchy that accounts memory. */
export interface CgroupPlace {
  readonly version: 1 | 2;
  /** Where the hierarchy is mounted. */
  readonly mount: string;
  /** Absolute folder of the own group. */
  readonly folder: string;
}

/** Own groups in the hierarchies that account memory, from the text of `/proc/self/cgroup`. Pure. */
export function memoryPlaces(ownCgroups: string, root: string): CgroupPlace[] {
  return ownCgroups.split('\n').flatMap((line): CgroupPlace[] => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const below = path === '/' ? '' : path;
    if (controllers === '') return [{ version: 2, mount: root, folder: root + below }];
    if (!controllers.split(',').includes('memory')) return [];
    return [{ version: 1, mount: `${root}/memory`, folder: `${root}/memory${below}` }];
  });
}

/** The groups from the own one up to the top that have a limit. Inside a container what lies above is not to be seen. */
export function limitedGroups(files: MemoryFiles): LimitedGroup[] {
  return memoryPlaces(readText(files.ownCgroups) ?? '', files.cgroupRoot).flatMap(({ version, mount, folder }) =>
    upwards(folder, mount).flatMap((each) => {
      const limit = Number(readText(`${each}/${version === 2 ? 'memory.max' : 'memory.limit_in_bytes'}`));
      return limit > 0 && limit < NO_LIMIT_BYTES ? [{ folder: each, version, limitBytes: limit }] : [];
    }),
  );
}

function upwards(folder: string, top: string): string[] {
  const folders = [folder];
  for (let at = folder; at.length > top.length && at.startsWith(top);) {
    at = at.slice(0, at.lastIndexOf('/'));
    folders.push(at);
  }
  return folders;
}

/** What is least of machine and groups; undefined where the machine doesn't tell. */
export function readNodeMemory(meminfo: string, groups: readonly LimitedGroup[]): NodeMemory | undefined {
  const machine = machineMemory(readText(meminfo) ?? '');
  if (!machine) return undefined;
  return groups.map(groupMemory).reduce<NodeMemory>(scarcer, machine);
}

const scarcer = (a: NodeMemory, b: NodeMemory | undefined): NodeMemory =>
  b && b.availableBytes < a.availableBytes ? b : a;

/** Pure. With free swap nobody is out of memory yet. */
export function machineMemory(meminfo: string): NodeMemory | undefined {
  const counters = parseCounters(meminfo);
  const total = counters.get('MemTotal');
  const available = counters.get('MemAvailable');
  if (total === undefined || available === undefined) return undefined;
  return { totalBytes: total * 1024, availableBytes: (available + (counters.get('SwapFree') ?? 0)) * 1024 };
}

function groupMemory({ folder, version, limitBytes }: LimitedGroup): NodeMemory | undefined {
  const used = Number(readText(`${folder}/${version === 2 ? 'memory.current' : 'memory.usage_in_bytes'}`));
  if (!(used > 0)) return undefined;
  const reclaimable = reclaimableBytes(readText(`${folder}/memory.stat`) ?? '');
  return { totalBytes: limitBytes, availableBytes: Math.max(0, limitBytes - Math.max(0, used - reclaimable)) };
}

/**
 * Cached files count as used by a group, and go before anybody is killed: the active ones too, or a script that reads
 * much would look as if it ran out. Pure.
 */
export function reclaimableBytes(stat: string): number {
  const counters = parseCounters(stat);
  const of = (name: string): number => counters.get(`total_${name}`) ?? counters.get(name) ?? 0;
  return of('inactive_file') + of('active_file') + of('slab_reclaimable');
}

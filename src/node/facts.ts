/** What is found out once at the start of an agent, or of a single worker in the foreground. */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import type { Limits } from '../domain/plan.ts';
import { findAddress } from './address.ts';
import { CgroupHome, findCgroupPlace } from './cgroup.ts';
import { countGpus } from './gpus.ts';
import { OomWitness } from './oom.ts';
import type { HostCommand, NodeOptions, WorkerOptions } from './options.ts';
import type { NodeFacts } from './body.ts';
import type { SlotLimits } from './slot.ts';
import { DUMP_MS } from './stacks.ts';

export async function nodeFacts(options: WorkerOptions, limits: SlotLimits): Promise<NodeFacts> {
  return {
    address: await findAddress(options.advertise),
    session: randomBytes(8).toString('hex'),
    gpus: options.gpus ?? countGpus(),
    commandPrefix: deathPrefix(options.hostCommand),
    limits,
    oom: new OomWitness(),
  };
}

/**
 * Load is bounded by the larger of hand-over and init limit: importing a deep learning package from a slow disk takes
 * longer than the hand-over limit's 30 s, and only somebody who expects long inits raises the other one.
 */
export function slotLimits(limits: Limits, language: HostCommand['language']): SlotLimits {
  return {
    loadMs: Math.max(limits.overheadTimeoutMs, limits.initTimeoutMs),
    initMs: limits.initTimeoutMs,
    runMs: limits.runTimeoutMs,
    handOverMs: limits.overheadTimeoutMs,
    shutdownMs: limits.shutdownTimeoutMs,
    dumpMs: DUMP_MS[language],
  };
}

/** A person at a debugger is never too slow. */
export const NO_LIMITS: SlotLimits = {
  loadMs: Infinity,
  initMs: Infinity,
  runMs: Infinity,
  handOverMs: Infinity,
  shutdownMs: Infinity,
  dumpMs: 0,
};

/** Python hosts arrange their own death with the agent's; for Node a small program does, where the system has it. */
function deathPrefix(host: HostCommand): string[] {
  if (host.language === 'python' || process.platform !== 'linux') return [];
  const prefix = ['setpriv', '--pdeathsig', 'KILL'];
  const probe = spawnSync('setpriv', [...prefix.slice(1), 'true'], { stdio: 'ignore', timeout: 2000 });
  return probe.status === 0 ? prefix : [];
}

/** Where this process was given a place for them. */
export function openCgroups(options: NodeOptions, session: string): CgroupHome | undefined {
  const place = findCgroupPlace(options.baseEnvironment ?? process.env, options.memoryFiles);
  return place && CgroupHome.open(place, session);
}

/** Folders that workers need; ours are private. */
export function makeFolders(options: WorkerOptions): void {
  const { layout } = options;
  for (const folder of [layout.state, layout.capture, layout.work, layout.temp, layout.parts]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  mkdirSync(layout.logs, { recursive: true });
  mkdirSync(options.outputFolder, { recursive: true });
}

/** Numbers go on where an earlier agent of this run and node stopped: a `Process-N` is one process, once. */
export function firstProcessNumber(captureFolder: string, address: string): number {
  let names: string[];
  try {
    names = readdirSync(captureFolder);
  } catch {
    return 1;
  }
  const prefix = `${address}-Process-`;
  const numbers = names.flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const number = Number.parseInt(name.slice(prefix.length), 10);
    return Number.isNaN(number) ? [] : [number];
  });
  return Math.max(0, ...numbers) + 1;
}

/** Memory held by workers and what they started, read cheaply enough for ten looks a second. */
import { listStats, parseCounters, readText, treeOf } from './procfs.ts';

/** Who belongs to which worker is found out anew after so long; longer where many processes make that dear. */
const FAMILY_MS_MIN = 250;
/** Share of one processor that finding out may take. */
const FAMILY_SHARE = 0.02;

/**
 * Anonymous and shared memory of a process: what can't be taken back from it. Mapped files (libraries, a model that is
 * mapped) are in the resident size too, but the kernel drops those where memory is short. Pure.
 * @returns bytes; the resident size on kernels that don't tell them apart; undefined for a process that is gone
 */
export function heldBytes(status: string): number | undefined {
  const counters = parseCounters(status);
  const anonymous = counters.get('RssAnon');
  if (anonymous === undefined) {
    const resident = counters.get('VmRSS');
    return resident === undefined ? undefined : resident * 1024;
  }
  return (anonymous + (counters.get('RssShmem') ?? 0)) * 1024;
}

export function readHeld(pid: number): number | undefined {
  return heldBytes(readText(`/proc/${pid}/status`) ?? '');
}

/**
 * The same with each page divided by the processes that share it. It costs milliseconds. Undefined where it can't be
 * read, which is the case of processes of other users, and of kernels before 4.14.
 */
function readProportional(pid: number): number | undefined {
  const counters = parseCounters(readText(`/proc/${pid}/smaps_rollup`) ?? '');
  const anonymous = counters.get('Pss_Anon');
  const whole = anonymous === undefined ? counters.get('Pss') : anonymous + (counters.get('Pss_Shmem') ?? 0);
  return whole === undefined ? undefined : whole * 1024;
}

export class TreeMemory {
  /** Worker to everything it started, itself excepted. */
  #families = new Map<number, readonly number[]>();
  #familiesUntil = -Infinity;

  /** Sum over the tree of each worker. Forked processes share pages, which count several times: see `exactly`. */
  look(workers: readonly number[], now: number): Map<number, number> {
    if (now >= this.#familiesUntil) this.#findFamilies(workers, now);
    return new Map(
      workers.map((pid) => [pid, [pid, ...this.#familyOf(pid)].reduce((sum, each) => sum + (readHeld(each) ?? 0), 0)]),
    );
  }

  /** What a tree holds with shared pages counted once; `sum` where it is one process, or where it can't be known. */
  exactly(worker: number, sum: number): number {
    const family = this.#familyOf(worker);
    if (family.length === 0) return sum;
    const shares = [worker, ...family].map((pid) => readProportional(pid) ?? 0);
    return shares[0] === 0 ? sum : shares.reduce((all, share) => all + share, 0);
  }

  #familyOf(worker: number): readonly number[] {
    return this.#families.get(worker) ?? [];
  }

  #findFamilies(workers: readonly number[], now: number): void {
    const started = performance.now();
    const stats = listStats();
    const members = (root: number): number[] =>
      treeOf(root, stats).flatMap((stat) => (stat.pid === root ? [] : [stat.pid]));
    this.#families = new Map(workers.map((root) => [root, members(root)]));
    this.#familiesUntil = now + Math.max(FAMILY_MS_MIN, (performance.now() - started) / FAMILY_SHARE);
  }
}

/** When a node starts a worker in a free slot: numbers, back-off after failed starts, contract 4.3 rule 1. Pure. */

/** Failed starts per process of a node after which it starts no more. */
export const START_FAILURES_PER_PROCESS = 3;
export const BACK_OFF_MS_MIN = 100;
export const BACK_OFF_MS_MAX = 5_000;

/** Changed in place by the functions below. */
export interface Starts {
  readonly processes: number;
  /** Number of the next worker: each start takes a fresh one. */
  nextNumber: number;
  /** Of load and init, in the whole run. */
  failures: number;
  /** Without a success in between. */
  failuresInARow: number;
  /** Monotonic: no start before this. */
  notBefore: number;
  stopping: boolean;
}

export function newStarts(processes: number, firstNumber: number): Starts {
  return { processes, nextNumber: firstNumber, failures: 0, failuresInARow: 0, notBefore: 0, stopping: false };
}

export function onStartFailed(starts: Starts, now: number): void {
  starts.failures += 1;
  starts.failuresInARow += 1;
  starts.notBefore = now + backOffMs(starts.failuresInARow, starts.processes);
}

export function onReady(starts: Starts): void {
  starts.failuresInARow = 0;
  starts.notBefore = 0;
}

/** Doubles with each round over the processes of the node. */
export function backOffMs(failuresInARow: number, processes: number): number {
  const round = Math.floor((failuresInARow - 1) / processes);
  return Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** Math.min(round, 10));
}

/** True once rule 1 holds: what runs may go on, nothing is started any more. */
export function budgetSpent(starts: Starts): boolean {
  return starts.failures >= START_FAILURES_PER_PROCESS * starts.processes;
}

export function mayStart(starts: Starts, now: number): boolean {
  return !starts.stopping && !budgetSpent(starts) && now >= starts.notBefore;
}

/** @returns the number for a worker to start now; undefined: not now. */
export function takeNumber(starts: Starts, now: number): number | undefined {
  if (!mayStart(starts, now)) return undefined;
  const number = starts.nextNumber;
  starts.nextNumber += 1;
  return number;
}

/**
 * Which run a place for a worker on this node goes to next, where it serves several: by shares of worker time, higher
 * priorities first, nobody left out for long. Pure: times come with each call.
 *
 * Every run has a worker for each place; at most `places` of all of them work at a time. A place is free again when the
 * hand-outs that were let through to a worker have been answered.
 */
import type { EngineEvent, Assignment } from '../../domain/ports.ts';
import type { WorkerId } from '../../domain/ids.ts';

export interface RunClaim {
  /** Its part of the worker time beside those of others, > 0. */
  readonly share: number;
  /** Higher ones go first. */
  readonly priority: number;
  /** Takes what is let through. */
  readonly pass: (assignments: readonly Assignment[]) => void;
}

/** Short mini-batches are let through together, as many as take about so long. */
const QUANTUM_MS = 20;
/** A run that had no place for so long comes first, whatever the priorities. */
const PATIENCE_MS = 10_000;
/** Of the mean duration, what a new mini-batch weighs. */
const SMOOTHING = 0.2;

interface Run {
  readonly claim: RunClaim;
  /** What waits, by the worker it is for. */
  readonly waiting: Map<WorkerId, Assignment[]>;
  /** Let through and not answered, by worker. */
  readonly busy: Map<WorkerId, number>;
  /** Worker time by share, ms: the run with the least is next. */
  used: number;
  /** Charged in advance for what is under way. */
  meanMs: number | undefined;
  servedAt: number;
}

export class Gate {
  readonly #places: number;
  readonly #runs = new Map<string, Run>();

  /** @param places workers at a time, >= 1 */
  constructor(places: number) {
    this.#places = places;
  }

  add(id: string, claim: RunClaim, now: number): void {
    // Who comes late has no claim on what was before.
    const used = this.#least();
    this.#runs.set(id, { claim, waiting: new Map(), busy: new Map(), used, meanMs: undefined, servedAt: now });
  }

  /** What still waits is let through: its workers are about to end, and give it back. */
  remove(id: string, now: number): void {
    const run = this.#runs.get(id);
    if (!run) return;
    this.#runs.delete(id);
    for (const assignments of run.waiting.values()) run.claim.pass(assignments);
    this.#fill(now);
  }

  assign(id: string, assignments: readonly Assignment[], now: number): void {
    const run = this.#runs.get(id);
    if (!run) return;
    if (this.#runs.size === 1) {
      this.#pass(run, assignments, now);
      return;
    }
    const wasIdle = run.waiting.size === 0 && run.busy.size === 0;
    // Time in which it had nothing to do is not saved up.
    if (wasIdle) {
      run.used = Math.max(run.used, this.#least(run));
      run.servedAt = now;
    }
    for (const assignment of assignments) {
      const mine = run.waiting.get(assignment.worker);
      if (mine) mine.push(assignment);
      else run.waiting.set(assignment.worker, [assignment]);
    }
    this.#fill(now);
  }

  /** What workers of a run have told. */
  note(id: string, events: readonly EngineEvent[], now: number): void {
    const run = this.#runs.get(id);
    if (!run) return;
    for (const event of events) {
      if (event.type === 'try-outcome') {
        const ms = event.timing.elapsedSeconds * 1000;
        const before = run.meanMs;
        run.meanMs = before === undefined ? ms : before + SMOOTHING * (ms - before);
        run.used += ms / run.claim.share;
        this.#answered(run, event.worker, 1);
      } else if (event.type === 'assignments-returned') {
        this.#answered(run, event.worker, event.assignments.length);
      } else if (event.type === 'worker-ended') {
        run.busy.delete(event.worker);
        const left = run.waiting.get(event.worker);
        run.waiting.delete(event.worker);
        // It goes back to who knows what to do with it.
        if (left) run.claim.pass(left);
      }
    }
    this.#fill(now);
  }

  #answered(run: Run, worker: WorkerId, count: number): void {
    const left = (run.busy.get(worker) ?? 0) - count;
    if (left > 0) run.busy.set(worker, left);
    else run.busy.delete(worker);
  }

  #fill(now: number): void {
    let busy = 0;
    for (const run of this.#runs.values()) busy += run.busy.size;
    while (busy < this.#places || this.#runs.size === 1) {
      const run = this.#next(now);
      if (!run) return;
      for (const [worker, assignments] of run.waiting) {
        if (run.busy.has(worker)) continue;
        const count = Math.max(1, Math.floor(QUANTUM_MS / Math.max(run.meanMs ?? QUANTUM_MS, 0.01)));
        if (assignments.length <= count) run.waiting.delete(worker);
        this.#pass(run, assignments.length <= count ? assignments : assignments.splice(0, count), now);
        break;
      }
      busy += 1;
    }
  }

  /** Of those with a free worker and something for it. */
  #next(now: number): Run | undefined {
    let best: Run | undefined;
    for (const run of this.#runs.values()) {
      const canStart = [...run.waiting.keys()].some((worker) => !run.busy.has(worker));
      if (canStart && (best === undefined || goesBefore(run, best, now))) best = run;
    }
    return best;
  }

  #pass(run: Run, assignments: readonly Assignment[], now: number): void {
    for (const { worker } of assignments) run.busy.set(worker, (run.busy.get(worker) ?? 0) + 1);
    run.servedAt = now;
    run.claim.pass(assignments);
  }

  #least(but?: Run): number {
    const others = [...this.#runs.values()].filter((run) => run !== but);
    return others.length === 0 ? 0 : Math.min(...others.map((run) => run.used));
  }
}

function goesBefore(a: Run, b: Run, now: number): boolean {
  const [aWaits, bWaits] = [a, b].map(({ servedAt }) => now - servedAt > PATIENCE_MS);
  if (aWaits !== bWaits) return aWaits === true;
  if (a.claim.priority !== b.claim.priority) return a.claim.priority > b.claim.priority;
  return charged(a) < charged(b);
}

/** What it has used, with what is under way as if it had been. */
function charged({ used, busy, meanMs, claim }: Run): number {
  return used + (busy.size * (meanMs ?? 0)) / claim.share;
}

/** What a seed draws before anything happens: sizes, limits, data, and which faults there are. */
import type { CoreConfig } from '../../src/core/types.ts';
import type { Rng } from './rng.ts';

export type Misbehaviour = 'exception' | 'invalid-return' | 'hang' | 'crash' | 'out-of-memory' | 'input-error' | 'gone';
const MISBEHAVIOURS: readonly Misbehaviour[] = [
  'exception',
  'invalid-return',
  'hang',
  'crash',
  'out-of-memory',
  'input-error',
  'gone',
];

/** The fault is in the data: what a mini-batch, or a part of it, does at each try as long as it holds a culprit. */
export interface Bad {
  readonly how: Misbehaviour;
  /** Positions of the items that do it. */
  readonly culprits: ReadonlySet<number>;
  /** The worker names the item that was under way: the right one, or some other. */
  readonly names: 'right' | 'wrong' | 'none';
}

/** Probabilities of what can go wrong by itself; 0 where the fault is switched off in this seed. */
export interface FaultRates {
  readonly exception: number;
  readonly hang: number;
  readonly crashBefore: number;
  readonly crashAfter: number;
  readonly nodeLost: number;
  readonly shortReturn: number;
  readonly initFails: number;
  readonly slowInit: number;
  readonly slowRun: number;
  readonly duplicate: number;
  /** Of an answer that reaches the next orchestrator too. */
  readonly zombie: number;
  /** Mean number of crashes of the orchestrator. */
  readonly crashes: number;
  /** Share of them in which the machine loses power. */
  readonly powerLoss: number;
  readonly diskFull: number;
  readonly syncFails: number;
  readonly clockJumps: number;
  readonly cancel: number;
  /** That a second orchestrator takes the run up while the first one lives. */
  readonly second: number;
  readonly creationStalls: number;
}

export interface SimConfig {
  readonly core: CoreConfig;
  readonly slots: number;
  /** Items of each mini-batch. */
  readonly items: readonly number[];
  readonly bad: readonly (Bad | undefined)[];
  /** The script returns one row for whatever it is given. */
  readonly mixes: boolean;
  /** Rows fewer than items that a mini-batch returns each time. */
  readonly short: readonly number[];
  readonly faults: FaultRates;
  /** Microseconds. */
  readonly chaosUntil: number;
  readonly runTime: readonly [number, number];
  readonly runLimit: number;
  readonly delay: number;
  readonly syncTime: number;
  readonly creationChunk: number;
  readonly creationPause: number;
  readonly parts: number;
  readonly pressureBytes: number;
  readonly creationFails: boolean;
  readonly cancelAt: number | undefined;
  readonly retryFailed: boolean;
  readonly resumeCanceled: boolean;
}

export const MS = 1000;
export const SECOND = 1000 * MS;

export function drawConfig(rng: Rng): SimConfig {
  /** Swarm testing: each fault is absent from half of the seeds. */
  const rate = (from: number, to: number): number => (rng.chance(0.5) ? 0 : rng.span(from * 1e6, to * 1e6) / 1e6);
  const slots = rng.between(1, 16);
  const most = rng.chance(0.7) ? 20 : rng.chance(0.7) ? 100 : 300;
  const count = rng.chance(0.03) ? 0 : rng.between(1, most);
  const runLimit = rng.span(200 * MS, 5 * SECOND);
  const badShare = rate(0.003, 0.3);
  const shortShare = rate(0.01, 0.3);
  const largest = count <= 100 && rng.chance(0.3) ? 60 : 6;
  const items = Array.from({ length: count }, () => rng.between(1, largest));
  const crashes = rng.chance(0.5) ? 0 : rng.between(1, 6);
  const faults: FaultRates = {
    exception: rate(0.01, 0.3),
    hang: rate(0.005, 0.05),
    crashBefore: rate(0.01, 0.2),
    crashAfter: rate(0.01, 0.2),
    nodeLost: rate(0.005, 0.3),
    shortReturn: rate(0.005, 0.1),
    initFails: rate(0.02, 0.95),
    slowInit: rng.chance(0.9) ? 0 : 0.2,
    slowRun: rate(0.02, 0.2),
    duplicate: rate(0.02, 0.3),
    zombie: rate(0.1, 0.9),
    crashes,
    powerLoss: rng.chance(0.25) ? 0 : rng.float(),
    diskFull: rng.chance(0.5) ? 0 : rate(0.02, 0.9),
    syncFails: rng.chance(0.6) ? 0 : rate(0.002, 0.05),
    clockJumps: rate(0.1, 1),
    cancel: rng.chance(0.5) ? 0 : rate(0.1, 0.9),
    second: rate(0.1, 0.9),
    creationStalls: rng.chance(0.9) ? 0 : 0.1,
  };
  const slow = rng.chance(0.15);
  const runTime: [number, number] = slow
    ? [rng.span(60 * MS, 100 * MS), rng.span(100 * MS, 400 * MS)]
    : [rng.span(200, 5 * MS), rng.span(5 * MS, 200 * MS)];
  const chaosUntil = Math.round((0.2 + 1.5 * rng.float()) * ((count * runTime[1]) / slots + SECOND));
  const bad = items.map((n) => (rng.chance(badShare) ? drawBad(rng, n) : undefined));
  const isolate = rng.pick(['auto', 'auto', 'on', 'off'] as const);
  return {
    core: {
      maxTries: rng.between(1, 5),
      isolate,
      thresholds: drawThresholds(rng, items, bad, isolate !== 'off'),
      needsRows: rng.chance(0.8),
      allowEmpty: rng.chance(0.5),
      progressTimeoutMs: rng.chance(0.8) ? 270_000 : runLimit / MS / 2,
      firstMiniBatchTimeoutMs: 600_000,
      allInInitTimeoutMs: 630_000,
    },
    slots,
    items,
    bad,
    mixes: rng.chance(0.05),
    short: items.map((n) => (rng.chance(shortShare) ? rng.between(0, n) : 0)),
    faults,
    chaosUntil,
    runTime,
    runLimit,
    delay: rng.chance(0.5) ? 0 : rng.span(100, 500 * MS),
    syncTime: rng.span(100, 20 * MS),
    creationChunk: rng.chance(0.4) ? rng.between(1, 5) : rng.span(1, 300),
    creationPause: rng.chance(0.5) ? 0 : rng.span(100, 300 * MS),
    parts: rate(0.05, 0.9),
    pressureBytes: rng.chance(0.7) ? 1e9 : rng.between(16, 400),
    creationFails: rng.chance(0.02),
    cancelAt: rng.chance(faults.cancel) ? rng.below(chaosUntil) : undefined,
    retryFailed: rng.chance(0.3),
    resumeCanceled: rng.chance(0.5),
  };
}

function drawBad(rng: Rng, items: number): Bad {
  const most = rng.chance(0.6) ? 1 : rng.chance(0.7) ? 3 : items;
  const culprits = new Set<number>();
  if (most === items) for (let item = 0; item < items; item++) culprits.add(item);
  else for (let i = 0; i < most; i++) culprits.add(rng.below(items));
  return { how: rng.pick(MISBEHAVIOURS), culprits, names: rng.pick(['right', 'wrong', 'none', 'none'] as const) };
}

/** Half of those that are set are exactly what the data makes fail: greater is not greater or equal. */
function drawThresholds(
  rng: Rng,
  items: readonly number[],
  bad: readonly (Bad | undefined)[],
  narrowed: boolean,
): CoreConfig['thresholds'] {
  const exactly = rng.chance(0.5);
  const badCount = bad.filter((each) => each !== undefined).length;
  const badItems = items.reduce((sum, n, i) => sum + lostOf(bad[i], n, narrowed), 0);
  const percent = items.length === 0 ? 0 : (100 * badCount) / items.length;
  return {
    errorThreshold: rng.chance(0.6) ? -1 : exactly ? badItems : rng.between(0, rng.chance(0.5) ? 4 : 40),
    miniBatchErrorThreshold: rng.chance(0.6) ? -1 : exactly ? badCount : rng.between(0, 8),
    failedPercent: rng.chance(0.4) ? 100 : exactly && Number.isInteger(percent) ? percent : rng.between(0, 60),
  };
}

function lostOf(bad: Bad | undefined, items: number, narrowed: boolean): number {
  if (!bad) return 0;
  return narrowed ? bad.culprits.size : items;
}

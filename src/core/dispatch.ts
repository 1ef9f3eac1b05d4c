/** Which mini-batch goes to which worker next, and when fresh ones are reserved. */
import { dispatchNumber, miniBatchIndex, tryNumber } from '../domain/ids.ts';
import type { MiniBatchIndex, WorkerId } from '../domain/ids.ts';
import { keepsClear } from './alone.ts';
import { partToRun } from './isolate.ts';
import { freshCount } from './state.ts';
import { AT_RISK_MAX, RESERVE_CHUNK, RETRY_SAME_WORKER_AFTER_MS, SLOW_RUN_MS, START_SKEW_MS } from './types.ts';
import type { CoreCommand, CoreState, WorkerState } from './types.ts';

/**
 * Mini-batches to keep at a worker. Long ones are not parked behind each other (a free worker elsewhere would idle);
 * short ones wait at the worker, so that it never waits for the next; tiny ones travel many at a time.
 */
export function depthFor(meanRunMs: number | undefined): number {
  if (meanRunMs === undefined || meanRunMs > SLOW_RUN_MS) return 1;
  if (meanRunMs > 5) return 2;
  if (meanRunMs > 2) return 4;
  return meanRunMs > 0.1 ? 16 : 64;
}

/**
 * So many at a worker are enough for now: of a long queue half may run off before it is filled again, in one message.
 */
const enoughAt = (depth: number): number => (depth > 4 ? depth / 2 : depth - 1);

/**
 * What a worker may hold and have behind it without its being durable: the work that a crash repeats. That is one, so
 * the next waits for the commit; of fast mini-batches as many as take `SLOW_RUN_MS`, for which the wait would cost more
 * than it saves.
 */
function roomAt(worker: WorkerState, depth: number, meanRunMs = SLOW_RUN_MS): number {
  const atRisk = depth === 1 ? 1 : Math.max(2 * depth, Math.min(AT_RISK_MAX, Math.floor(SLOW_RUN_MS / meanRunMs)));
  return Math.min(depth, atRisk - worker.uncommitted);
}

/** Of scripts that work on several mini-batches at once, however long those take. */
const IN_FLIGHT_DEPTH = 16;

/** Of scripts so quick that the way to their node takes longer: as many as they run meanwhile, up to this. */
const AWAY_DEPTH_MAX = 512;

const depthOf = ({ config, meanRunMs }: CoreState): number =>
  Math.max(depthFor(meanRunMs), config.inFlight === true ? IN_FLIGHT_DEPTH : 1, awayDepth(config.wayMs, meanRunMs));

function awayDepth(wayMs: number | undefined, meanRunMs: number | undefined): number {
  if (wayMs === undefined || meanRunMs === undefined || meanRunMs > SLOW_RUN_MS) return 1;
  return Math.min(AWAY_DEPTH_MAX, 1 + Math.ceil(wayMs / Math.max(meanRunMs, wayMs / AWAY_DEPTH_MAX)));
}

/** Fills all ready workers up to their depth. */
export function dispatchReady(state: CoreState, now: number, out: CoreCommand[]): void {
  fill(state, state.ready, now, out);
}

/** Fills one worker that has just given back a mini-batch. */
export function dispatchTo(state: CoreState, worker: WorkerState, now: number, out: CoreCommand[]): void {
  if (worker.ready) fill(state, [worker], now, out);
}

function fill(state: CoreState, workers: readonly WorkerState[], now: number, out: CoreCommand[]): void {
  if (state.phase !== 'running' || state.held) return;
  reserve(state, out);
  const left = freshCount(state) + state.waiting.length;
  if (left === 0) return;
  const ready = state.ready.length;
  // At the end of the run nothing is parked behind a running mini-batch while another worker is free.
  const depth = left < ready * 2 ? 1 : Math.max(1, Math.min(depthOf(state), Math.ceil(left / ready)));
  const keep = now - state.firstReadyAt < START_SKEW_MS ? state.workers.size - ready : 0;
  // one that has a free place takes the next at once where they run side by side
  const enough = state.config.inFlight === true ? depth - 1 : enoughAt(depth);
  const hungry = workers.filter((worker) => worker.holds.size <= enough);
  // Level by level, so that every worker gets its first before any gets its second.
  for (let level = 1; hungry.length > 0 && level <= depth; level++) {
    for (const worker of hungry) {
      while (worker.holds.size < Math.min(level, roomAt(worker, depth, state.meanRunMs))) {
        if (keepsClear(state, worker, now)) break;
        // So many are left for others, which are about to be ready.
        if (keep > 0 && worker.used && freshCount(state) + state.waiting.length <= keep) break;
        const index = takeWaiting(state, worker.id, now) ?? takeFresh(state);
        if (index === undefined) break;
        send(state, worker, index, now, out);
      }
    }
  }
}

/** To be called when a worker becomes ready or stops being so. */
export function setReady(state: CoreState, worker: WorkerState, ready: boolean): void {
  if (worker.ready === ready) return;
  worker.ready = ready;
  state.ready = [...state.workers.values()].filter((each) => each.ready);
}

function send(state: CoreState, worker: WorkerState, index: MiniBatchIndex, now: number, out: CoreCommand[]): void {
  const trouble = state.trouble.get(index);
  const dispatch = dispatchNumber((trouble?.lastDispatch ?? 0) + 1);
  const part = trouble?.isolation && partToRun(trouble.isolation);
  // Parts are no tries: they go under the number of the last one.
  const attempt = tryNumber(part ? Math.max(1, trouble.fails) : (trouble?.fails ?? 0) + 1);
  if (trouble) trouble.lastDispatch = dispatch;
  // The watch over progress begins when workers hold something again: a pause before that is nobody's hang.
  if (state.inFlight.size === 0) state.lastProgressAt = Math.max(state.lastProgressAt, now);
  state.inFlight.set(index, { dispatch, try: attempt, worker: worker.id, ...(part && { part }) });
  worker.holds.add(index);
  worker.used = true;
  out.push({ type: 'dispatch', worker: worker.id, index, dispatch, try: attempt, ...(part && { part }) });
}

function takeWaiting(state: CoreState, worker: WorkerId, now: number): MiniBatchIndex | undefined {
  for (let i = 0; i < state.waiting.length; i++) {
    const entry = state.waiting[i];
    if (!entry || entry.readyAt > now) continue;
    const trouble = state.trouble.get(entry.index);
    const failedHere = trouble?.lastWorker === worker && !trouble.isolation;
    if (failedHere && state.ready.length > 1 && now < entry.readyAt + RETRY_SAME_WORKER_AFTER_MS) continue;
    state.waiting.splice(i, 1);
    return entry.index;
  }
  return undefined;
}

function takeFresh(state: CoreState): MiniBatchIndex | undefined {
  const range = state.fresh[0];
  if (!range || range.from >= state.reservedBelow) return undefined;
  const index = miniBatchIndex(range.from++);
  if (range.from === range.to) state.fresh.shift();
  return index;
}

/** Asks for the next durable reservation well before the last one is used up. */
function reserve(state: CoreState, out: CoreCommand[]): void {
  const next = state.fresh[0]?.from;
  if (next === undefined || state.reserveAsked > state.reservedBelow) return;
  if (state.reservedBelow - next > RESERVE_CHUNK / 2 || state.reservedBelow >= state.created) return;
  state.reserveAsked = Math.min(state.created, Math.max(state.reservedBelow, next) + RESERVE_CHUNK);
  out.push({ type: 'reserve', below: state.reserveAsked });
}

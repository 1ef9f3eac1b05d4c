/** Any event of a run, for property tests. Each kind of event and each field of a try has its generator: a new one must get its own. */
import fc from 'fast-check';
import type { RunEvent, RunEventType, RunWarning, TryFinished } from '../../src/domain/event.ts';
import type { ExitFacts, RunFailure, StackFrame, StartFailure, TryFailure } from '../../src/domain/failure.ts';
import {
  dispatchNumber,
  epochMs,
  miniBatchIndex,
  nodeAddress,
  parseRunId,
  tryNumber,
  workerId,
} from '../../src/domain/ids.ts';

/** Names of files may hold anything, lone surrogates too. */
const text = fc.string({ unit: 'binary', maxLength: 20 });
const whole = fc.maxSafeNat();
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { maxLength: 3 });
const positive = (value: number): number => (Object.is(value, -0) ? 0 : value);
const plainSeconds = fc.oneof(
  fc.double({ min: 0, max: 1e5, noNaN: true }),
  fc.nat(1e9).map((n) => n / 1e6),
);
const seconds = plainSeconds.map(positive);
/** Whole, as clocks give them, and with the digits of `seconds * 1000`. */
const time = fc
  .oneof(
    fc.nat(2 ** 31).map((n) => n * 1000),
    fc.double({ min: 0, max: 4e9, noNaN: true }).map((s) => s * 1000),
    fc.integer({ min: 1_700_000_000_000_000, max: 1_900_000_000_000_000 }).map((us) => us / 1000),
  )
  .map((ms) => epochMs(positive(ms)));
const index = fc.nat(2 ** 31).map(miniBatchIndex);
const dispatch = fc.nat(1e6).map(dispatchNumber);
const attempt = fc.nat(100).map(tryNumber);
const node = fc.constantFrom('10.0.0.5', '10.0.0.6').map(nodeAddress);
const worker = fc.tuple(node, fc.nat(5)).map(([address, n]) => workerId(address, n));
const range = fc.record({ from: fc.nat(1000), to: fc.nat(1000) });
const at = { at: time };

const frame: fc.Arbitrary<StackFrame> = fc.record(
  { file: text, line: whole, function: text, text, own: fc.boolean() },
  { requiredKeys: ['file', 'line', 'function', 'own'] },
);
const exception = { exceptionType: text, message: text, traceback: text, frames: some(frame) };
const exit: fc.Arbitrary<ExitFacts> = fc.oneof(
  fc.record({ by: fc.constant('code'), code: fc.nat(255) }),
  fc.record({ by: fc.constant('signal'), signal: fc.constantFrom('SIGKILL', 'SIGSEGV'), outOfMemory: fc.boolean() }),
  fc.record({
    by: fc.constant('signal'),
    signal: fc.constant('SIGKILL'),
    outOfMemory: fc.constant(true),
    guard: fc.record({ rule: fc.constantFrom('limit', 'node'), rssBytes: whole, limitBytes: whole }),
  }),
);
const tryFailure: fc.Arbitrary<TryFailure> = fc.oneof(
  fc.record({ kind: fc.constant('exception'), ...exception }),
  fc.record({ kind: fc.constant('unencodable-row'), row: whole, ...exception }),
  fc.record({ kind: fc.constant('input-error'), path: text, reason: text }),
  fc.record({ kind: fc.constant('timeout'), limitMs: whole, stacks: text }, { requiredKeys: ['kind', 'limitMs'] }),
  fc.record({ kind: fc.constant('worker-lost'), exit, trace: text }, { requiredKeys: ['kind', 'exit'] }),
  fc.record({ kind: fc.constant('canceled') }),
);
const startFailure: fc.Arbitrary<StartFailure> = fc.oneof(
  fc.record({ kind: fc.constantFrom('load-exception', 'init-exception'), ...exception }),
  fc.record({ kind: fc.constant('exit'), stage: fc.constantFrom('load', 'init'), exit }),
);
const runFailure: fc.Arbitrary<RunFailure> = fc.oneof(
  fc.record({ kind: fc.constant('error-threshold'), limit: whole, failedItems: whole }),
  fc.record({ kind: fc.constant('disk-full'), path: text }),
);
const warning: fc.Arbitrary<RunWarning['warning']> = fc.oneof(
  fc.record({ kind: fc.constant('log-write-failed'), path: text, reason: text }),
  fc.record({
    kind: fc.constant('isolation-off'),
    index,
    why: fc.oneof(
      fc.record({ kind: fc.constant('mixes-items'), items: whole, returned: whole }),
      fc.record({ kind: fc.constant('same-error'), signature: text }),
    ),
  }),
  fc.record({ kind: fc.constant('memory-guard'), worker, pid: whole, rssBytes: whole }),
  fc.record({
    kind: fc.constant('worker-recycled'),
    worker,
    why: fc.constantFrom('mini-batches', 'growth'),
    amount: whole,
  }),
  fc.record({ kind: fc.constant('stuck-process'), worker, pid: whole }),
);

const outputRange = fc.tuple(whole, whole);
const extent = fc.record({ offset: whole, bytes: whole, rows: whole, crc32: fc.nat(2 ** 32 - 1) });
const alwaysOfTry = {
  ...at,
  index,
  dispatch,
  try: attempt,
  worker,
  pid: whole,
  items: whole,
  succeeded: whole,
  failed: whole,
  timing: fc.record({
    start1: time,
    end1: time,
    start2: seconds,
    end2: seconds,
    runSeconds: seconds,
    elapsedSeconds: seconds,
  }),
};
type Optional<T> = { [K in keyof T as undefined extends T[K] ? K : never]-?: Exclude<T[K], undefined> };
const sometimesOfTry: { [K in keyof Optional<TryFinished>]: fc.Arbitrary<Optional<TryFinished>[K]> } = {
  part: range,
  dead: some(fc.record({ from: fc.nat(1000), to: fc.nat(1000), dispatch })),
  rows: extent,
  columns: some(text),
  failure: tryFailure,
  detail: text,
  printed: fc.record({ stdout: outputRange, stderr: outputRange }),
  retryAfterMs: whole,
  item: fc.nat(1000),
  peakMemoryBytes: whole,
  lastLines: some(text),
};
const settles = fc.constantFrom('done', 'partial', 'failed', 'retry', 'requeue', 'narrow', 'part');
const status = fc.constantFrom('RUN_DONE', 'RUN_EXCEPTION', 'RUN_TIMEOUT', 'PROCESS_LOST', 'NODE_LOST');

/** Nearly all of a run's events. */
export const doneTry: fc.Arbitrary<TryFinished> = fc.record(
  {
    type: fc.constant('try-finished'),
    ...alwaysOfTry,
    status: fc.constant('RUN_DONE'),
    settles: fc.constant('done'),
    rows: sometimesOfTry.rows,
    printed: sometimesOfTry.printed,
  },
  { requiredKeys: ['type', ...keysOf(alwaysOfTry), 'status', 'settles'] },
);
/** With any fields there are, also where they make no sense together, and very much like a plain one. */
export const anyTry: fc.Arbitrary<TryFinished> = fc.oneof(
  fc.record(
    { type: fc.constant('try-finished'), ...alwaysOfTry, status, settles, ...sometimesOfTry },
    { requiredKeys: ['type', ...keysOf(alwaysOfTry), 'status', 'settles'] },
  ),
  fc
    .tuple(doneTry, fc.record(sometimesOfTry, { requiredKeys: [] }))
    .map(([done, more]): TryFinished => ({ ...done, ...more })),
);

const miniBatches = { miniBatches: whole, items: whole };
const ofEachType: { [K in RunEventType]: fc.Arbitrary<Omit<Extract<RunEvent, { type: K }>, 'type'>> } = {
  'run-created': fc.record({ ...at, runId: fc.constant(runId()), version: text, pid: whole }),
  'run-resumed': fc.record(
    {
      ...at,
      version: text,
      pid: whole,
      settled: whole,
      changes: some(text),
      retried: some(fc.record({ index, items: whole })),
      rebuilt: some(fc.record({ index, items: whole, dispatch, failedItems: whole, returned: whole })),
    },
    { requiredKeys: ['at', 'version', 'pid', 'settled', 'changes', 'retried'] },
  ),
  'run-state': fc.record({ ...at, state: fc.constantFrom('Preparing', 'Running', 'Finalizing') }),
  'code-snapshotted': fc.record({ ...at, files: whole, bytes: whole, fingerprint: text }),
  'environment-ready': fc.record({
    ...at,
    interpreter: text,
    version: text,
    built: fc.constantFrom('built', 'from cache', 'as named', 'node'),
    seconds,
  }),
  'schema-decided': fc.record({ ...at, columns: some(fc.record({ name: text, type: text })) }),
  'creation-progress': fc.record({ ...at, ...miniBatches }),
  'creation-finished': fc.record({ ...at, ...miniBatches }),
  'node-joined': fc.record({ ...at, node, slots: whole, hostname: text }),
  'node-left': fc.record({ ...at, node, why: fc.constantFrom('finished', 'lost', 'init-budget') }),
  'worker-started': fc.record({ ...at, worker, pid: whole }),
  'worker-loaded': fc.record({ ...at, worker, seconds }),
  'worker-initialized': fc.record({ ...at, worker, seconds }),
  'worker-start-failed': fc.record({ ...at, worker, pid: whole, seconds, failure: startFailure }),
  'worker-shut-down': fc.record(
    { ...at, worker, status: fc.constantFrom('SHUTDOWN_DONE', 'SHUTDOWN_EXCEPTION'), seconds, traceback: text },
    { requiredKeys: ['at', 'worker', 'status', 'seconds'] },
  ),
  'worker-ended': fc.record({ ...at, worker, pid: whole, exit, expected: fc.boolean() }),
  'try-begun': fc.record(
    { ...at, index, dispatch, try: attempt, worker, pid: whole, items: whole, part: range },
    { requiredKeys: ['at', 'index', 'dispatch', 'try', 'worker', 'pid', 'items'] },
  ),
  'try-finished': fc.oneof(doneTry, anyTry),
  'outcome-late': fc.record({ ...at, index, dispatch, worker }),
  'dispatch-reserved': fc.record({ ...at, below: index }),
  redispatched: fc.record({ ...at, index, dispatch, try: attempt, worker }),
  'run-aborting': fc.record({ ...at, reason: runFailure }),
  'cancel-requested': fc.record({ ...at, by: fc.constantFrom('SIGINT', 'SIGTERM', 'command'), now: fc.boolean() }),
  warning: fc.record({ ...at, warning }),
  recorded: fc.record({
    ...at,
    worker,
    what: fc.constantFrom('metric', 'tag', 'property', 'file'),
    name: text,
    value: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  }),
  'output-assembled': fc.record({ ...at, path: text, rows: whole, bytes: whole }),
  'run-ended': fc.record(
    {
      ...at,
      state: fc.constantFrom('Completed', 'Failed', 'Canceled'),
      exitCode: fc.constantFrom(0, 1, 3, 130),
      reason: runFailure,
    },
    { requiredKeys: ['at', 'state', 'exitCode'] },
  ),
};

const rareEvent: fc.Arbitrary<RunEvent> = fc.oneof(
  ...keysOf(ofEachType).map((type) => ofEachType[type].map((rest) => ({ ...rest, type }) as RunEvent)),
);

export const anyEvent: fc.Arbitrary<RunEvent> = fc.oneof(
  { arbitrary: doneTry, weight: 3 },
  { arbitrary: anyTry, weight: 2 },
  { arbitrary: rareEvent, weight: 5 },
);

function runId() {
  const id = parseRunId('run-1');
  if (id === undefined) throw new Error('not a run id');
  return id;
}

function keysOf<T extends object>(object: T): (keyof T)[] {
  return Object.keys(object) as (keyof T)[];
}

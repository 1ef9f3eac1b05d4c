import type { RunEvent, TryFinished } from '../../src/domain/event.ts';
import type { ExceptionFacts, TryFailure } from '../../src/domain/failure.ts';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { RunId } from '../../src/domain/ids.ts';

/** 2024-01-02T03:04:05.000Z. */
export const T0 = 1_704_164_645_000;
export const NODE = nodeAddress('10.0.0.5');
export const RUN = '01JX4' as RunId;
export const worker = (n: number) => workerId(NODE, n);
export const at = (ms: number) => epochMs(T0 + ms);

export const exception = (over: Partial<ExceptionFacts> = {}): ExceptionFacts & { kind: 'exception' } => ({
  kind: 'exception',
  exceptionType: 'ValueError',
  message: 'cannot read pixel 7',
  traceback:
    'Traceback (most recent call last):\n  File "host.py", line 10, in call\n    run(batch)\n' +
    '  File "score.py", line 41, in run\n    pixel = parse(path)\nValueError: cannot read pixel 7\n',
  frames: [
    { file: '/opt/host.py', line: 10, function: 'call', text: 'run(batch)', own: false },
    { file: 'score.py', line: 41, function: 'run', text: 'pixel = parse(path)', own: true },
  ],
  ...over,
});

export const begun = (index: number, ms: number, process = 1, tryNo = 1, dispatch = tryNo): RunEvent => ({
  type: 'try-begun',
  at: at(ms),
  index: miniBatchIndex(index),
  dispatch: dispatchNumber(dispatch),
  try: tryNumber(tryNo),
  worker: worker(process),
  pid: 4200 + process,
  items: 10,
});

export const finished = (index: number, ms: number, over: Partial<TryFinished> = {}): TryFinished => ({
  type: 'try-finished',
  at: at(ms),
  index: miniBatchIndex(index),
  dispatch: dispatchNumber(over.try ?? 1),
  try: tryNumber(1),
  worker: worker(1),
  pid: 4201,
  status: 'RUN_DONE',
  items: 10,
  succeeded: 10,
  failed: 0,
  timing: {
    start1: at(ms - 100.25),
    end1: at(ms - 0.5),
    start2: 1.5,
    end2: 1.58,
    runSeconds: 0.09,
    elapsedSeconds: 0.09975,
  },
  settles: 'done',
  ...over,
});

export const failedTry = (
  index: number,
  ms: number,
  failure: TryFailure,
  over: Partial<TryFinished> = {},
): TryFinished =>
  finished(index, ms, {
    status: 'RUN_EXCEPTION',
    succeeded: 0,
    failed: 10,
    failure,
    detail: `/data/images/${String(index * 10).padStart(4, '0')}.png and 9 more`,
    settles: 'retry',
    retryAfterMs: 1200,
    ...over,
  });

/** What comes before the first mini-batch. */
export const opening = (batches: number): readonly RunEvent[] => [
  { type: 'run-created', at: at(0), runId: RUN, version: '0.1.0', pid: 4100 },
  { type: 'run-state', at: at(1), state: 'Preparing' },
  { type: 'code-snapshotted', at: at(20), files: 2, bytes: 2048, fingerprint: 'ab12' },
  {
    type: 'environment-ready',
    at: at(30),
    interpreter: '/usr/bin/python3',
    version: '3.11.2',
    built: 'from the PATH',
    seconds: 0.01,
  },
  { type: 'run-state', at: at(40), state: 'Running' },
  { type: 'node-joined', at: at(50), node: NODE, slots: 2, hostname: 'box' },
  { type: 'worker-started', at: at(60), worker: worker(1), pid: 4201 },
  { type: 'worker-started', at: at(61), worker: worker(2), pid: 4202 },
  { type: 'creation-progress', at: at(62), miniBatches: 2, items: 20 },
  { type: 'creation-finished', at: at(70), miniBatches: batches, items: batches * 10 },
  { type: 'worker-loaded', at: at(160), worker: worker(1), seconds: 0.1 },
  { type: 'worker-initialized', at: at(170), worker: worker(1), seconds: 0.01 },
];

/** A part of a mini-batch of ten that is narrowed down; good unless a failure comes with it. */
export const part = (
  index: number,
  ms: number,
  dispatch: number,
  [from, to]: readonly [from: number, to: number],
  over: Partial<TryFinished> = {},
): TryFinished => {
  const common = { try: tryNumber(3), dispatch: dispatchNumber(dispatch), part: { from, to } };
  return over.failure === undefined
    ? finished(index, ms, { ...common, succeeded: to - from, settles: 'part', ...over })
    : failedTry(index, ms, over.failure, { ...common, failed: to - from, settles: 'narrow', ...over });
};

/** The end of a mini-batch of ten: what its last part came to, and the items that are dead. */
export const partialEnd = (
  index: number,
  ms: number,
  dispatch: number,
  range: readonly [from: number, to: number],
  dead: readonly (readonly [from: number, to: number, dispatch: number])[],
  over: Partial<TryFinished> = {},
): TryFinished => {
  const failed = dead.reduce((sum, [from, to]) => sum + (to - from), 0);
  return part(index, ms, dispatch, range, {
    settles: failed === 10 ? 'failed' : 'partial',
    succeeded: 10 - failed,
    failed,
    dead: dead.map(([from, to, by]) => ({ from, to, dispatch: dispatchNumber(by) })),
    ...over,
  });
};

/** Item 7 of ten is broken: three tries, then the parts 0-4, 5-6, 7 and 8-9. Ends at `ms` + 700. */
export const oneCulprit = (index: number, ms: number, over: Partial<TryFinished> = {}): readonly TryFinished[] => [
  failedTry(index, ms, exception()),
  failedTry(index, ms + 100, exception(), { try: tryNumber(2) }),
  failedTry(index, ms + 200, exception(), { try: tryNumber(3), settles: 'narrow' }),
  part(index, ms + 300, 4, [0, 5]),
  part(index, ms + 400, 5, [5, 7]),
  part(index, ms + 500, 6, [7, 8], {
    failure: exception({ message: 'cannot read pixel 9' }),
    detail: `/data/images/${String(index * 10 + 7).padStart(4, '0')}.png`,
    worker: worker(2),
    pid: 4202,
    peakMemoryBytes: 50_000_000,
    lastLines: ['reading', 'parsing'],
  }),
  partialEnd(index, ms + 700, 7, [8, 10], [[7, 8, 6]], {
    rows: { offset: 0, bytes: 90, rows: 9, crc32: 1 },
    ...over,
  }),
];

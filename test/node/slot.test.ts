/** The policy of a slot: its table, and what must hold whatever happens. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dispatchNumber, epochMs, miniBatchIndex, nodeAddress, tryNumber, workerId } from '../../src/domain/ids.ts';
import type { Assignment, EngineEvent } from '../../src/domain/ports.ts';
import type { WorkerMessage } from '../../src/domain/protocol.ts';
import { emptySlot, validateSlot } from '../../src/node/slot.ts';
import type { Slot, SlotCommand, SlotEvent, SlotLimits } from '../../src/node/slot.ts';
import { stepSlot } from '../../src/node/slotstep.ts';

const LIMITS: SlotLimits = { loadMs: 1000, initMs: 2000, runMs: 500, handOverMs: 300, shutdownMs: 400, dumpMs: 250 };
const NODE = nodeAddress('10.0.0.1');
const WORKER = workerId(NODE, 1);
const NONE = new Uint8Array(0);

class Machine {
  readonly slot: Slot = emptySlot();
  readonly events: EngineEvent[] = [];
  readonly commands: string[] = [];
  /** Mini-batches that a full disk ended. */
  readonly roomless = new Set<number>();
  now = 1000;
  readonly limits: SlotLimits;
  #next = 0;

  constructor(more: Partial<SlotLimits> = {}) {
    this.limits = { ...LIMITS, ...more };
  }

  step(event: SlotEvent): this {
    const out: SlotCommand[] = [];
    stepSlot(this.slot, event, { mono: this.now, wall: epochMs(1_700_000_000_000 + this.now) }, this.limits, out);
    for (const command of out) {
      if (command.type === 'emit') this.events.push(command.event);
      else this.commands.push(command.type);
    }
    if (event.type === 'message' && event.noRoom === true)
      for (const one of this.slot.held) this.roomless.add(Number(one.index));
    validateSlot(this.slot);
    return this;
  }
  say(message: WorkerMessage): this {
    return this.step({ type: 'message', message, body: NONE });
  }
  after(ms: number): this {
    this.now += ms;
    return this.step({ type: 'tick' });
  }
  give(count = 1): Assignment[] {
    const assignments = Array.from({ length: count }, () => assignment(this.#next++));
    this.step({ type: 'assign', assignments });
    return assignments;
  }
  spawned(): this {
    return this.step({ type: 'start', worker: WORKER }).step({ type: 'spawned', pid: 77 });
  }
  ready(): this {
    return this.spawned().say(HELLO).say({ m: 'loaded', s: 1 }).say({ m: 'initialized', s: 2 });
  }
  dies(signal = 'SIGKILL'): this {
    return this.step({ type: 'exit', exit: { by: 'signal', signal, outOfMemory: false }, remains: {} });
  }
  types(): string[] {
    return this.events.map((e) => e.type);
  }
  outcomes() {
    return this.events.filter((e) => e.type === 'try-outcome');
  }
  returned(): number[] {
    return this.events.flatMap((e) =>
      e.type === 'assignments-returned' ? e.assignments.map((a) => Number(a.index)) : [],
    );
  }
}

const HELLO: WorkerMessage = { m: 'hello', protocol: 1, pid: 77, language: 'python', version: '3.11' };
const begin = (i: number): WorkerMessage => ({ m: 'begin', i, d: i + 1, w: 1, o: [0, 0] });
const done = (i: number, r = 0.1): WorkerMessage => ({
  m: 'done',
  i,
  d: i + 1,
  n: 1,
  k: 1,
  w: [1, 1 + r],
  c: [0, r],
  r,
  o: [0, 0],
});

const failed = (i: number): WorkerMessage => ({
  m: 'failed',
  i,
  d: i + 1,
  n: 1,
  w: [1, 2],
  c: [0, 1],
  r: 1,
  o: [0, 0],
  error: { kind: 'exception', exceptionType: 'OSError', message: 'full', traceback: '', frames: [] },
});

function assignment(n: number): Assignment {
  return {
    worker: WORKER,
    index: miniBatchIndex(n),
    dispatch: dispatchNumber(n + 1),
    try: tryNumber(1),
    items: 1,
    source: NONE,
  };
}

test('a life in order', () => {
  const machine = new Machine().ready();
  expect(machine.slot.phase).toBe('ready');
  machine.give(2);
  machine.say(begin(0)).say(done(0)).say(begin(1)).say(done(1));
  machine.step({ type: 'stop' });
  expect(machine.slot.phase).toBe('stopping');
  machine.say({ m: 'bye', s: 0.1 }).step({ type: 'exit', exit: { by: 'code', code: 0 }, remains: {} });
  expect(machine.slot.phase).toBe('ending');
  machine.step({ type: 'swept' });
  expect(machine.slot).toEqual(emptySlot());
  expect(machine.commands).toEqual([
    'spawn',
    'send-run',
    'send-run',
    'mark',
    'mark',
    'mark',
    'mark',
    'send-stop',
    'sweep',
    'emptied',
  ]);
});

test.each<[string, (m: Machine) => Machine, string, string[]]>([
  ['load, silent', (m) => m.spawned().after(1000), 'load-timeout', ['dump-stacks']],
  ['load, after hello', (m) => m.spawned().say(HELLO).after(1000), 'load-timeout', ['dump-stacks']],
  ['init', (m) => m.spawned().say(HELLO).say({ m: 'loaded', s: 0 }).after(2000), 'init-timeout', ['dump-stacks']],
  ['run', (m) => (m.ready().give(), m.say(begin(0)).after(500)), 'run-timeout', ['dump-stacks']],
  ['hand-over', (m) => (m.ready().give(), m.after(300)), 'overhead-timeout', ['dump-stacks']],
  ['shutdown', (m) => m.ready().step({ type: 'stop' }).after(400), 'shutdown-timeout', ['dump-stacks']],
])('limit of %s: not one millisecond early, stacks first, then the kill', (_name, act, reason, commands) => {
  const early = new Machine();
  act(early);
  expect(early.slot.kill?.reason.kind).toBe(reason);
  expect(early.commands.slice(-1)).toEqual(commands);
  early.after(249);
  expect(early.commands).not.toContain('kill');
  early.after(1);
  expect(early.commands.at(-1)).toBe('kill');
});

test('limits count from the right moment', () => {
  const machine = new Machine().ready();
  machine.after(10_000);
  machine.give(2);
  machine.after(299).say(begin(0)).after(499).say(done(0, 0.499)).after(299);
  expect(machine.slot.phase).toBe('ready');
  machine.after(1);
  expect(machine.slot.kill?.reason.kind).toBe('overhead-timeout');
});

test('stacks that come early end the wait', () => {
  const machine = new Machine().ready();
  machine.give();
  machine.say(begin(0)).after(500).step({ type: 'dumped' });
  expect(machine.commands.slice(-2)).toEqual(['dump-stacks', 'kill']);
});

test('a result after the limit was reached counts only if run itself kept the limit', () => {
  const late = new Machine().ready();
  late.give();
  late.say(begin(0)).after(500).say(done(0, 0.501)).dies();
  expect(late.outcomes()).toMatchObject([{ result: { ok: false, failure: { kind: 'timeout', limitMs: 500 } } }]);
  const inTime = new Machine().ready();
  inTime.give(2);
  inTime.say(begin(0)).after(500).say(done(0, 0.5)).say(begin(1)).dies();
  expect(inTime.outcomes()).toMatchObject([{ index: 0, result: { ok: true } }]);
  expect(inTime.returned()).toEqual([1]);
});

test('a try that fails before run is called needs no begin', () => {
  const machine = new Machine().ready();
  machine.give();
  const error = { kind: 'input-error', path: '/a', reason: 'gone', errno: 'ENOENT' } as const;
  machine.say({ m: 'failed', i: 0, d: 1, n: 1, w: [1, 1], c: [0, 0], r: 0, o: [5, 6], error });
  expect(machine.outcomes()).toMatchObject([
    { printed: { stdout: [5, 5], stderr: [6, 6] }, result: { ok: false, failure: error } },
  ]);
});

test('a process that survives SIGKILL is reported and given up', () => {
  const machine = new Machine().ready();
  machine.give();
  machine.say(begin(0)).step({ type: 'kill' }).after(4999);
  expect(machine.slot.phase).toBe('killing');
  machine.after(1);
  expect(machine.types().slice(-2)).toEqual(['warning', 'try-outcome']);
  expect(machine.slot.phase).toBe('ending');
  // its end comes at last, and is no news
  expect(machine.dies().types()).toHaveLength(6);
});

test('a worker that closes its channel and goes on is ended', () => {
  const machine = new Machine().ready();
  machine.give();
  machine.say(begin(0)).step({ type: 'channel-closed' }).after(499);
  expect(machine.slot.phase).toBe('ready');
  machine.slot.running = machine.slot.running && { ...machine.slot.running, begunAt: machine.now };
  machine.after(501 - 1);
  machine.after(1);
  machine.dies();
  expect(machine.outcomes()).toMatchObject([{ result: { ok: false } }]);
});

test('its last mini-batch has begun: asked to stop, nothing more is sent; it goes back when it is gone', () => {
  const machine = new Machine({ miniBatchesMax: 2 }).ready();
  machine.give(4);
  machine.say(begin(0)).say(done(0));
  expect(machine.commands).not.toContain('send-stop');
  machine.say(begin(1));
  expect(machine.commands.at(-1)).toBe('send-stop');
  expect(machine.events.at(-1)).toMatchObject({
    warning: { kind: 'worker-recycled', worker: WORKER, why: 'mini-batches', amount: 2 },
  });
  machine.say(done(1));
  machine.give(2);
  // never sent more than it may run, however fast it is
  expect(machine.commands.filter((command) => command === 'send-run')).toHaveLength(2);
  expect(machine.returned()).toEqual([]);
  machine.say({ m: 'bye', s: 0 }).step({ type: 'exit', exit: { by: 'code', code: 0 }, remains: {} });
  expect(machine.returned()).toEqual([2, 3, 4, 5]);
  machine.give();
  expect(machine.returned()).toEqual([2, 3, 4, 5]);
  machine.step({ type: 'swept' });
  expect(machine.types().slice(-3)).toEqual(['assignments-returned', 'assignments-returned', 'worker-ended']);
  expect(machine.returned()).toEqual([2, 3, 4, 5, 6]);
  expect(machine.events.at(-1)).toMatchObject({ expected: true, exit: { code: 0 } });
  expect(machine.types()).not.toContain('worker-start-failed');
});

test('a try that fails counts, one that fails before run too; a stop does not come twice', () => {
  const error = { kind: 'input-error', path: '/a', reason: 'gone' } as const;
  const machine = new Machine({ miniBatchesMax: 1 }).ready();
  machine.give(2);
  machine.say({ m: 'failed', i: 0, d: 1, n: 1, w: [1, 1], c: [0, 0], r: 0, o: [5, 6], error });
  machine.step({ type: 'stop' }).step({ type: 'grown', bytes: 7 });
  expect(machine.outcomes()).toHaveLength(1);
  expect(machine.commands.filter((command) => command === 'send-stop')).toHaveLength(1);
  expect(machine.types().filter((type) => type === 'warning')).toHaveLength(1);
});

test('one that is asked to stop may have begun the next already: that one counts', () => {
  const machine = new Machine().ready();
  machine.give(3);
  machine.say(begin(0)).say(done(0)).step({ type: 'grown', bytes: 7 }).say(begin(1)).say(done(1)).dies();
  expect(machine.outcomes()).toHaveLength(2);
  expect(machine.returned()).toEqual([2]);
});

test('one that has grown is replaced; one that stops already is not', () => {
  const machine = new Machine().ready().step({ type: 'grown', bytes: 7 });
  expect(machine.events.at(-1)).toMatchObject({ warning: { kind: 'worker-recycled', why: 'growth', amount: 7 } });
  expect(machine.slot.phase).toBe('stopping');
  const stopped = new Machine().ready().step({ type: 'stop' }).step({ type: 'grown', bytes: 7 });
  expect(stopped.types()).not.toContain('warning');
});

test('a worker that dies by itself while it reads is lost to the mini-batch it reads; one that dies at once is not', () => {
  const reading = new Machine({ handOverMs: 5000 }).ready();
  reading.give(2);
  reading.after(600).dies();
  expect(reading.outcomes()).toMatchObject([{ index: 0, result: { ok: false, failure: { kind: 'worker-lost' } } }]);
  expect(reading.returned()).toEqual([1]);
  const atOnce = new Machine({ handOverMs: 5000 }).ready();
  atOnce.give(2);
  atOnce.after(100).dies();
  expect(atOnce.outcomes()).toEqual([]);
  expect(atOnce.returned()).toEqual([0, 1]);
  const asked = new Machine({ handOverMs: 5000 }).ready();
  asked.give(1);
  asked.step({ type: 'stop' }).after(600).dies();
  expect(asked.outcomes()).toEqual([]);
});

test('the memory guard: no stacks, and the mini-batch under work is its victim, read or run', () => {
  const guard = { rule: 'limit', rssBytes: 20, limitBytes: 10 } as const;
  const running = new Machine().ready();
  running.give(2);
  running.say(begin(0)).step({ type: 'memory', guard }).dies();
  expect(running.commands).not.toContain('dump-stacks');
  expect(running.outcomes()).toMatchObject([{ index: 0, result: { ok: false, failure: { kind: 'worker-lost' } } }]);
  expect(running.returned()).toEqual([1]);
  const reading = new Machine().ready();
  reading.give(2);
  reading.step({ type: 'memory', guard }).dies();
  expect(reading.outcomes()).toMatchObject([{ index: 0, result: { failure: { kind: 'worker-lost' } } }]);
  expect(reading.returned()).toEqual([1]);
  const starting = new Machine().spawned().say(HELLO).step({ type: 'memory', guard }).dies();
  expect(starting.events.at(-1)).toMatchObject({
    type: 'worker-start-failed',
    failure: { kind: 'exit', stage: 'load' },
  });
});

test('the memory guard ends the wait for the stacks of one that hangs', () => {
  const machine = new Machine().ready();
  machine.give();
  machine.say(begin(0)).after(500);
  machine.step({ type: 'memory', guard: { rule: 'node', rssBytes: 2, limitBytes: 1 } });
  expect(machine.commands.slice(-2)).toEqual(['dump-stacks', 'kill']);
  expect(machine.dies().outcomes()).toMatchObject([{ result: { failure: { kind: 'timeout' } } }]);
});

test('a try that a full disk of the node ended goes back with its worker, which is asked to end, and uses up nothing', () => {
  const machine = new Machine().ready();
  machine.give(2);
  machine.say(begin(0)).step({ type: 'message', message: failed(0), body: NONE, noRoom: true });
  expect([machine.slot.phase, machine.commands.at(-1)]).toEqual(['stopping', 'send-stop']);
  expect([machine.outcomes(), machine.returned()]).toEqual([[], []]);
  machine.say({ m: 'bye', s: 0 }).step({ type: 'exit', exit: { by: 'code', code: 0 }, remains: {} });
  expect([machine.outcomes(), machine.returned().sort()]).toEqual([[], [0, 1]]);
  machine.step({ type: 'swept' });
  expect(machine.events.at(-1)).toMatchObject({ type: 'worker-ended', expected: true });
});

const anyEvent = (): fc.Arbitrary<(m: Machine) => SlotEvent | undefined> => {
  const running = (m: Machine): number => Number(m.slot.running?.index ?? m.slot.waiting[0]?.index ?? 0);
  const waiting = (m: Machine): number => Number(m.slot.waiting[0]?.index ?? 0);
  const message =
    (make: (m: Machine) => WorkerMessage) =>
    (m: Machine): SlotEvent => ({ type: 'message', message: make(m), body: NONE });
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        message((m) => begin(waiting(m))),
        message((m) => done(running(m))),
        (m: Machine): SlotEvent => ({ type: 'message', message: failed(running(m)), body: NONE, noRoom: true }),
      ),
    },
    { weight: 2, arbitrary: fc.constant(message((m) => progress(m))) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<((m: Machine) => SlotEvent)[]>(
        message(() => HELLO),
        message(() => begin(99)),
        message(() => done(0, 3)),
        message(() => ({ m: 'bye', s: 0 })),
        message(() => ({
          m: 'stage-error',
          stage: 'init',
          s: 0,
          error: { kind: 'no-run-function', file: 'x', defined: [] },
        })),
        () => ({ type: 'garbage', detail: 'x' }),
        () => ({ type: 'channel-closed' }),
        () => ({ type: 'dumped' }),
        () => ({ type: 'grown', bytes: 5 }),
        () => ({ type: 'memory', guard: { rule: 'limit', rssBytes: 2, limitBytes: 1 } }),
        () => ({ type: 'stop' }),
        () => ({ type: 'kill' }),
        () => ({ type: 'swept' }),
        () => ({ type: 'exit', exit: { by: 'code', code: 0 }, remains: {} }),
      ),
    },
  );
};

/** The message that a good worker would send next. */
function progress(m: Machine): WorkerMessage {
  if (m.slot.phase === 'starting') return HELLO;
  if (m.slot.phase === 'loading') return { m: 'loaded', s: 0 };
  return { m: 'initialized', s: 0 };
}

test('whatever happens: each assignment ends exactly once, begun ones too, and worker-ended is the last word', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: anyEvent() },
    { weight: 2, arbitrary: fc.constant('give' as const) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 900 }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.integer({ min: 0, max: 3 }), (steps, early) => {
      const machine = new Machine(steps.length % 2 === 0 ? { miniBatchesMax: 3 } : {}).spawned();
      for (let i = 0; i < early; i++) machine.say(progress(machine));
      let given = 0;
      for (const one of steps) {
        if (one === 'give') {
          machine.give(2);
          given += 2;
        } else if (typeof one === 'number') machine.after(one);
        else {
          const event = one(machine);
          if (event) machine.step(event);
        }
      }
      machine.dies().step({ type: 'swept' });
      const ended = [...machine.outcomes().map((e) => Number(e.index)), ...machine.returned()].sort((a, b) => a - b);
      expect(ended).toEqual(Array.from({ length: given }, (_, n) => n));
      const types = machine.types();
      const last = types.indexOf('worker-ended');
      expect(types.lastIndexOf('worker-ended')).toBe(last);
      // only work that is handed out too late may be spoken of afterwards
      expect(new Set(types.slice(last + 1))).toEqual(
        new Set(types.slice(last + 1).filter((t) => t === 'assignments-returned')),
      );
      expect(types[0]).toBe('worker-started');
      const begun = machine.events.flatMap((e) => (e.type === 'try-begun' ? [Number(e.index)] : []));
      const outcomes = machine.outcomes().map((e) => Number(e.index));
      for (const index of begun) expect([...outcomes, ...machine.roomless]).toContain(index);
      expect(machine.events.filter((e) => e.type === 'worker-start-failed').length).toBeLessThanOrEqual(1);
    }),
    { numRuns: 2000 },
  );
});

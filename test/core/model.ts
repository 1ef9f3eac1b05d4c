/** A tiny world around the core for tests: workers that answer as told, checked after every step. */
import { initialState, validateState } from '../../src/core/state.ts';
import { step } from '../../src/core/step.ts';
import type { CoreCommand, CoreConfig, CoreEvent, CoreState } from '../../src/core/types.ts';
import { nodeAddress, workerId } from '../../src/domain/ids.ts';
import type { DispatchNumber, MiniBatchIndex, WorkerId } from '../../src/domain/ids.ts';
import type { ExceptionFacts, TryFailure } from '../../src/domain/failure.ts';
import type { ItemRange } from '../../src/domain/minibatch.ts';

export const NODE = nodeAddress('10.0.0.1');

export const defaults: CoreConfig = {
  maxTries: 3,
  isolate: 'off',
  thresholds: { errorThreshold: -1, miniBatchErrorThreshold: -1, failedPercent: 100 },
  needsRows: false,
  allowEmpty: false,
  progressTimeoutMs: 270_000,
  firstMiniBatchTimeoutMs: 600_000,
  allInInitTimeoutMs: 630_000,
};

export const exceptionFacts: ExceptionFacts = {
  exceptionType: 'ValueError',
  message: 'bad',
  traceback: 'Traceback ...\nValueError: bad',
  frames: [{ file: 'score.py', line: 7, function: 'run', own: true }],
};
export const raised: TryFailure = { kind: 'exception', ...exceptionFacts };
export const segfault: TryFailure = {
  kind: 'worker-lost',
  exit: { by: 'signal', signal: 'SIGSEGV', outOfMemory: false },
};

export interface Sent {
  readonly index: MiniBatchIndex;
  readonly dispatch: DispatchNumber;
  readonly try: number;
  readonly worker: WorkerId;
  readonly part?: ItemRange;
}

export class World {
  now = 0;
  readonly state: CoreState;
  /** Everything handed out and not yet answered. */
  readonly out: Sent[] = [];
  readonly dispatched: Sent[] = [];
  readonly commands: CoreCommand[] = [];
  /** Commits take no time; a test that holds them back gives them itself. */
  commits = true;
  private processes = 0;

  /** @param state where a run goes on; else a new one */
  constructor(config: Partial<CoreConfig> = {}, state?: CoreState) {
    this.state = state ?? initialState({ ...defaults, ...config }, 0);
  }

  send(event: CoreEvent): CoreCommand[] {
    const commands = step(this.state, event, this.now);
    validateState(this.state);
    this.commands.push(...commands);
    for (const command of commands) {
      if (command.type === 'dispatch') {
        this.out.push(command);
        this.dispatched.push(command);
      }
    }
    for (const command of commands)
      if (command.type === 'reserve') this.send({ type: 'reserved', below: command.below });
    if (this.commits && event.type === 'outcome' && commands.some((c) => c.type === 'settle'))
      this.send({ type: 'committed', workers: [event.worker] });
    return commands;
  }

  node(slots: number): void {
    this.send({ type: 'node-joined', node: NODE, slots });
  }

  start(): WorkerId {
    const worker = workerId(NODE, ++this.processes);
    this.send({ type: 'worker-started', worker, node: NODE });
    return worker;
  }

  ready(): WorkerId {
    const worker = this.start();
    this.send({ type: 'worker-ready', worker });
    return worker;
  }

  /** Takes the oldest hand-out (of a mini-batch, where given) off the list. */
  take(index?: number): Sent {
    const at = index === undefined ? 0 : this.out.findIndex((s) => s.index === index);
    const [sent] = this.out.splice(at, 1);
    if (!sent || at < 0) throw new Error(`nothing of ${index ?? 'any'} is handed out`);
    return sent;
  }

  answer(
    sent: Sent,
    result: { ok: true; returned: number } | { ok: false; failure: TryFailure },
    items = 10,
    runMs = 1,
  ): CoreCommand[] {
    const { index, dispatch, worker } = sent;
    return this.send({ type: 'outcome', index, dispatch, worker, items, runMs, result });
  }

  ok(sent: Sent, returned = 10, items = 10): CoreCommand[] {
    return this.answer(sent, { ok: true, returned }, items);
  }

  fail(sent: Sent, failure: TryFailure = raised, items = 10): CoreCommand[] {
    return this.answer(sent, { ok: false, failure }, items);
  }

  /** A worker dies: the one it had begun is lost, the others come back. */
  kill(worker: WorkerId, failure: TryFailure = segfault): void {
    const held = this.out.filter((s) => s.worker === worker);
    for (const sent of held) this.out.splice(this.out.indexOf(sent), 1);
    const [begun, ...rest] = held;
    if (begun) this.fail(begun, failure);
    for (const { index, dispatch } of rest) this.send({ type: 'returned', index, dispatch, worker });
    this.send({ type: 'worker-ended', worker });
  }

  create(count: number, items = 10): void {
    this.send({ type: 'created', count, items: count * items });
  }

  settles(): string[] {
    return this.commands.flatMap((c) => (c.type === 'settle' ? [c.settles.as] : []));
  }

  verdict(): Extract<CoreCommand, { type: 'finish' }>['verdict'] | undefined {
    return this.commands.find((c) => c.type === 'finish')?.verdict;
  }

  aborts(): string[] {
    return this.commands.flatMap((c) => (c.type === 'abort' ? [c.reason.kind] : []));
  }
}

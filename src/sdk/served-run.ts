/** One run on one node: its folder, its workers, what they tell, and its end. */
import { mkdir, rm } from 'node:fs/promises';
import { runLayout } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { NodeAddress } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import type { Assignment, EngineEvent } from '../domain/ports.ts';
import { bringBytes, bringFile, Carrier } from '../engine/nats/carry.ts';
import type { Gate } from '../engine/nats/gate.ts';
import type { Membership } from '../engine/nats/membership.ts';
import type { RunSpec } from '../engine/nats/protocol.ts';
import { ToldLogs } from '../engine/nats/told-logs.ts';
import type { Order } from '../engine/nats/wire.ts';
import { unpackFolder } from '../environment/pack.ts';
import { NodeAgent } from '../node/agent.ts';
import type { EntryFacts } from '../node/options.ts';
import { systemClock } from './clock.ts';
import { nodeSettings, prepareHost, workerOptions } from './host.ts';
import { linkModels } from './models.ts';

/** Rows that don't fit a message of the broker beside others travel as a file. */
const INLINE_BYTES_MAX = 256 * 1024;
/** Looking for files takes at most this part of the time. */
const LOOK_SHARE = 10;
const LOOK_MS_MAX = 1_000;
/** Also while no mini-batch ends, so that logs of scripts are seen. */
const LOOK_EVERY_MS = 500;
/** Shorter than the lease: before the orchestrator hands the work out again. */
const STANDSTILL_SECONDS = 10;

export interface ServedOptions {
  readonly address: NodeAddress;
  /** Absolute; the run gets a folder in it. */
  readonly workFolder: string;
  /** Worker processes that this node has place for. */
  readonly slots: number;
  readonly firstProcess: number;
  /** Of this node, for all its runs. */
  readonly gate: Gate;
  readonly onProgress: (line: string) => void;
}

export class ServedRun {
  readonly #options: ServedOptions;
  readonly #abort = new AbortController();
  #membership: Membership | undefined;
  #agent: NodeAgent | undefined;
  /** What came before there was an agent. */
  #early: Order[] = [];
  #stop: 'orderly' | 'now' | undefined;
  #why: string | undefined;
  #ending: Promise<void> | undefined;
  #carrier: Carrier | undefined;
  #logs: ToldLogs | undefined;
  #held: EngineEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lookAt = 0;
  #id = '';
  #layout: RunLayout | undefined;
  #resolve: () => void = () => undefined;
  /** Resolves when nothing of the run is left here. */
  readonly done = new Promise<void>((resolve) => (this.#resolve = resolve));

  /** The run can't be served here. */
  failed = false;
  wasCutOff = false;

  constructor(options: ServedOptions) {
    this.#options = options;
  }

  /** Never rejects: what goes wrong is told to the orchestrator. */
  async serve(membership: Membership): Promise<void> {
    this.#membership = membership;
    try {
      const { spec, code } = await membership.objects();
      await this.#begin(spec, code);
    } catch (error) {
      this.failed = !this.#stop;
      this.#why ??= error instanceof Error ? error.message : String(error);
      await this.#end('now');
    }
  }

  onOrders(orders: readonly Order[]): void {
    for (const order of orders) {
      if (order.m === 'stop') this.stop(order.how);
      else if (this.#agent) this.#options.gate.assign(this.#id, order.assignments, performance.now());
      else this.#early.push(order);
    }
  }

  /** Nothing that is done here counts any more: workers go at once, nothing is told. */
  cutOff(why: 'dismissed' | 'cut off'): void {
    const text =
      why === 'cut off' ? 'no word from the orchestrator: its workers are ended' : 'the run goes on without this node';
    if (!this.#ending) this.wasCutOff = true;
    if (!this.#ending) this.#options.onProgress(text);
    void this.#end('now');
  }

  /** @param why of this node itself */
  stop(how: 'orderly' | 'now', why?: string): void {
    this.#why ??= why;
    void this.#end(how);
  }

  async #begin(spec: RunSpec, code: Uint8Array): Promise<void> {
    const membership = this.#membership;
    if (!membership || this.#stop) return;
    const folder = `${this.#options.workFolder}/${spec.plan.runId}`;
    const plan = relocated(spec.plan, folder);
    const layout = runLayout(folder);
    this.#layout = layout;
    await rm(folder, { recursive: true, force: true });
    for (const made of [layout.state, layout.outputs]) await mkdir(made, { recursive: true, mode: 0o700 });
    await unpackFolder(code, layout.code);
    await linkModels(plan, layout);
    const say = (line: string): void => {
      this.#options.onProgress(line);
      membership.outbox.note(line);
    };
    const prepared = await prepareHost(plan, say, this.#abort.signal, layout.code);
    if (prepared.ready.built === 'built') say(`the environment is ready after ${prepared.ready.seconds.toFixed(1)} s`);
    if (this.#abort.signal.aborted) return;
    this.#carrier = new Carrier(folder, membership.outbox);
    this.#logs = new ToldLogs(folder, membership.outbox, this.#carrier);
    const agent = new NodeAgent({
      ...workerOptions(plan, layout, entryOf(spec, layout), prepared, spec.columns, systemClock),
      ...nodeSettings(plan),
      processesPerNode: spec.processesByNode
        ? this.#options.slots
        : Math.min(plan.processesPerNode, Math.max(this.#options.slots, 1)),
      advertise: this.#options.address,
      firstProcess: this.#options.firstProcess,
      fence: { file: `${layout.state}/fence`, seconds: STANDSTILL_SECONDS },
      logs: this.#logs,
    });
    this.#agent = agent;
    this.#id = plan.runId;
    const { share = 1, priority = 0 } = plan;
    const pass = (assignments: readonly Assignment[]): void => agent.dispatch(assignments);
    this.#options.gate.add(this.#id, { share, priority, pass }, performance.now());
    this.#timer = setInterval(() => this.#flush(), LOOK_EVERY_MS);
    await agent.start((events) => this.#tell(events));
    const early = this.#early;
    this.#early = [];
    this.onOrders(early);
  }

  /** Events go out behind the files that were there when they happened. */
  #tell(events: readonly EngineEvent[]): void {
    this.#options.gate.note(this.#id, events, performance.now());
    this.#held.push(...events);
    if (performance.now() >= this.#lookAt) this.#flush();
    else if (this.#held.length === events.length) setTimeout(() => this.#flush(), this.#lookAt - performance.now());
  }

  #flush(): void {
    const outbox = this.#membership?.outbox;
    if (!outbox || this.#membership?.isOver) return;
    const begun = performance.now();
    this.#carrier?.look();
    const now = performance.now();
    this.#lookAt = now + Math.min(LOOK_MS_MAX, (now - begun) * LOOK_SHARE);
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    outbox.events(held.map((event) => this.#brought(event)));
  }

  /** Large rows go ahead as a file, under the same name in the folder of the orchestrator. */
  #brought(event: EngineEvent): EngineEvent {
    const outbox = this.#membership?.outbox;
    if (!outbox || event.type !== 'try-outcome' || !event.result.ok) return event;
    const { rows } = event.result;
    let part: string;
    let bytes: number;
    if (rows instanceof Uint8Array) {
      if (rows.length <= INLINE_BYTES_MAX) return event;
      part = `state/parts/${event.index}.${event.dispatch}.part`;
      bytes = rows.length;
      bringBytes(outbox, part, rows);
    } else {
      const file = rows.part;
      part = `state/parts/${file.slice(file.lastIndexOf('/') + 1)}`;
      ({ bytes } = rows);
      bringFile(outbox, part, file, () => void rm(file, { force: true }).catch(() => undefined));
    }
    return { ...event, result: { ...event.result, rows: { part, bytes } } };
  }

  #end(how: 'orderly' | 'now'): Promise<void> {
    const before = this.#stop;
    this.#stop = how;
    this.#abort.abort();
    // `now` may follow `orderly`
    if (this.#agent && before !== 'now') void this.#agent.stop(how);
    this.#options.gate.remove(this.#id, performance.now());
    this.#ending ??= this.#finish(how);
    return this.#ending;
  }

  async #finish(how: 'orderly' | 'now'): Promise<void> {
    const membership = this.#membership;
    try {
      await this.#agent?.stop(how);
      if (membership && !membership.isOver) {
        this.#flush();
        this.#logs?.tell();
        membership.outbox.bye(this.#why);
        await membership.confirmed();
      }
    } finally {
      membership?.close();
      clearInterval(this.#timer);
      if (this.#layout) await rm(this.#layout.folder, { recursive: true, force: true }).catch(() => undefined);
      this.#resolve();
    }
  }
}

/** What lies below the run folder lies below another one here. */
function relocated(plan: Plan, folder: string): Plan {
  const from = plan.runFolder;
  const move = (value: unknown): unknown => {
    if (typeof value === 'string') return moved(value, from, folder);
    if (Array.isArray(value)) return value.map(move);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, move(inner)]));
  };
  // Same keys, same kinds of values.
  return move(plan) as Plan;
}

const moved = (text: string, from: string, to: string): string =>
  text === from ? to : text.split(`${from}/`).join(`${to}/`);

function entryOf({ plan, script }: RunSpec, { code }: RunLayout): EntryFacts {
  return { codeFolder: code, script: `${code}/${script}`, moduleName: plan.entry.moduleName };
}

/** One node's part in one run, as the node sees it: orders in, reports out, and the lease that binds them. */
import type { RunId } from '../../domain/ids.ts';
import { isNobodyThere, pause } from './broker.ts';
import type { Broker } from './broker.ts';
import { Receiver, Sender } from './channel.ts';
import { runNames } from './names.ts';
import type { NodeNames, RunNames } from './names.ts';
import { Outbox } from './outbox.ts';
import { BEAT_MS, CODE_OBJECT, FENCE_MS, SPEC_OBJECT } from './protocol.ts';
import type { Beat, JoinAnswer, JoinRequest, Pulse, RunSpec } from './protocol.ts';
import { Pump } from './pump.ts';
import { decodeMessage, decodeOrders, encodeMessage } from './wire.ts';
import type { Order } from './wire.ts';

const JOIN_MS = 6_000;
const ANSWER_MS = 4_000;
const OBJECT_MS = 60_000;
/** While so much waits to be confirmed, beats come faster. */
const BUSY_BYTES = 4 * 1024 * 1024;
const BUSY_BEAT_MS = 100;
const LOOK_MS = 200;

export interface MembershipHooks {
  /** Orders in the order they were given. */
  readonly onOrders: (orders: readonly Order[]) => void;
  /** Nothing that this node does counts any more: its workers have to go at once. Called once. */
  readonly onOver: (why: 'dismissed' | 'cut off') => void;
}

export type Joined =
  | { readonly answer: Extract<JoinAnswer, { ok: false }> }
  | {
      readonly answer: Extract<JoinAnswer, { ok: true }>;
      /** To be called at once: the lease runs from the answer on. */
      readonly open: (hooks: MembershipHooks) => Membership;
    };

export class Membership {
  readonly outbox = new Outbox();
  readonly #broker: Broker;
  readonly #names: RunNames;
  readonly #node: NodeNames;
  readonly #session: number;
  readonly #hooks: MembershipHooks;
  readonly #sender = new Sender();
  readonly #receiver = new Receiver();
  readonly #pump: Pump;
  readonly #over = new AbortController();
  #generation: number;
  /** When the beat was sent that had the last answer; monotonic, ms. */
  #provenAt = performance.now();
  #onConfirmed: () => void = () => undefined;

  private constructor(
    broker: Broker,
    names: RunNames,
    node: NodeNames,
    answer: Extract<JoinAnswer, { ok: true }>,
    hooks: MembershipHooks,
  ) {
    this.#broker = broker;
    this.#names = names;
    this.#node = node;
    this.#session = answer.session;
    this.#generation = answer.generation;
    this.#hooks = hooks;
    this.#pump = new Pump({
      sender: this.#sender,
      fill: () => this.outbox.next(),
      publish: (number, bytes) => broker.publish(node.news, encodeMessage(this.#session, number, bytes)),
    });
    this.outbox.onAdded = () => this.#pump.kick();
    void broker.read(names.workStream, node.consumer, (_subject, bytes) => this.#onWork(bytes), this.#over.signal);
    void this.#beats();
    void this.#watch();
  }

  /** Asks for a place in the run. Undefined where nobody answers. */
  static async join(broker: Broker, run: RunId, request: JoinRequest): Promise<Joined | undefined> {
    const names = runNames(run);
    const node = names.of(request.address);
    let answer: JoinAnswer;
    try {
      answer = (await broker.ask(node.join, request, JOIN_MS)) as JoinAnswer;
    } catch {
      return undefined;
    }
    if (!answer.ok) return { answer };
    return { answer, open: (hooks) => new Membership(broker, names, node, answer, hooks) };
  }

  /** What the run is, and its code as `packCode` made it. Waits while the broker is away. @throws where it stays away */
  async objects(): Promise<{ readonly spec: RunSpec; readonly code: Uint8Array }> {
    const until = performance.now() + OBJECT_MS;
    for (;;) {
      try {
        const { obj } = this.#broker.modules;
        const store = await new obj.Objm(this.#broker.js).open(this.#names.objects);
        const [spec, code] = [await store.getBlob(SPEC_OBJECT), await store.getBlob(CODE_OBJECT)];
        if (spec && code) return { spec: JSON.parse(new TextDecoder().decode(spec)) as RunSpec, code };
      } catch (error) {
        if (this.isOver || performance.now() > until) throw error;
      }
      if (this.isOver || performance.now() > until) throw new Error('the broker does not have what the run is made of');
      await pause(LOOK_MS, this.#over.signal);
    }
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** Resolves when the orchestrator has confirmed all that was told, or this is over. */
  async confirmed(): Promise<void> {
    while (!this.isOver && !(this.outbox.isEmpty && this.#sender.kept === 0)) {
      await new Promise<void>((resolve) => {
        this.#onConfirmed = resolve;
        setTimeout(resolve, LOOK_MS);
      });
    }
  }

  /** Says and hears nothing from now on. */
  close(): void {
    this.#over.abort();
    this.#pump.close();
    this.#onConfirmed();
  }

  #onWork(bytes: Uint8Array): void {
    if (this.isOver) return;
    let message: ReturnType<typeof decodeMessage>;
    try {
      message = decodeMessage(bytes);
    } catch {
      return;
    }
    if (message.session !== this.#session) return;
    for (const frames of this.#receiver.receive(message.number, message.frames)) {
      this.#hooks.onOrders(decodeOrders(frames));
    }
  }

  async #beats(): Promise<void> {
    while (!this.isOver) {
      const sentAt = performance.now();
      const beat: Beat = { session: this.#session, taken: this.#receiver.taken, gap: this.#receiver.hasGap };
      try {
        this.#onPulse((await this.#broker.ask(this.#node.beat, beat, ANSWER_MS)) as Pulse, sentAt);
      } catch (error) {
        // No broker, or no orchestrator: the lease runs on. Who has said good-bye has nobody to wait for.
        if (this.outbox.isEnding && isNobodyThere(error)) this.close();
      }
      const every = this.#sender.keptBytes > BUSY_BYTES || this.outbox.isEnding ? BUSY_BEAT_MS : BEAT_MS;
      await pause(Math.max(10, every - (performance.now() - sentAt)), this.#over.signal);
    }
  }

  #onPulse({ taken, gap, generation, dismissed }: Pulse, sentAt: number): void {
    if (this.isOver) return;
    if (dismissed) return this.#end('dismissed');
    this.#provenAt = Math.max(this.#provenAt, sentAt);
    this.#sender.confirm(taken);
    if (gap || generation !== this.#generation) this.#sender.rewind();
    this.#generation = generation;
    this.#pump.kick();
    this.#onConfirmed();
  }

  async #watch(): Promise<void> {
    while (!this.isOver) {
      if (performance.now() - this.#provenAt > FENCE_MS) return this.#end('cut off');
      await pause(LOOK_MS, this.#over.signal);
    }
  }

  #end(why: 'dismissed' | 'cut off'): void {
    if (this.isOver) return;
    this.close();
    this.#hooks.onOver(why);
  }
}

/** The engine of many machines: nodes that join through a NATS broker. ADR 13 says how and why. */
import { randomInt } from 'node:crypto';
import type { NodeAddress, RunId } from '../../domain/ids.ts';
import { epochMs, splitWorkerId } from '../../domain/ids.ts';
import type { Assignment, Clock, Engine, EngineEvent, LogSink } from '../../domain/ports.ts';
import { Arrivals } from './arrivals.ts';
import { pause } from './broker.ts';
import type { Broker } from './broker.ts';
import { runNames } from './names.ts';
import { BEAT_MS, ENGINE_PROTOCOL, LEASE_MS } from './protocol.ts';
import type { Announcement, Beat, JoinAnswer, JoinRequest, Pulse } from './protocol.ts';
import { Pump } from './pump.ts';
import { messageOf } from './problems.ts';
import { RemoteNode } from './remote-node.ts';
import { RunStreams } from './streams.ts';
import type { RunObjects } from './streams.ts';
import { decodeMessage, decodeReports, encodeMessage } from './wire.ts';
import type { Report } from './wire.ts';

export interface NatsEngineOptions {
  readonly broker: Broker;
  readonly runId: RunId;
  /** Version of parallelrun: nodes of another one are refused. */
  readonly version: string;
  /** Nodes that the run takes at once, >= 1. */
  readonly nodes: number;
  /** Copies of each stream at the broker: 1, or 3 in a cluster. */
  readonly replicas: number;
  readonly objects: RunObjects;
  /** Absolute folder of the run. */
  readonly folder: string;
  readonly logs: LogSink;
  readonly clock: Clock;
  /** Number of the first worker process that a node of this run has not had yet. */
  readonly firstProcess: (node: NodeAddress) => number;
  /** Something a person should know; each becomes a line of the run's log. */
  readonly say: (text: string) => void;
}

/** So often the run says that it waits for nodes. */
const WAITING_MS = 30_000;
/** Of a node from which nothing comes this is told, long before it is given up. */
const SILENCE_MS = 3_500;
/** A message that can't be written yet is tried again. */
const AGAIN_MS = 500;

interface Link {
  readonly node: RemoteNode;
  readonly pump: Pump;
  readonly agent: string;
  /** Messages that have come and are not worked off: the disk had no room for one. */
  readonly inbox: Uint8Array[];
  /** Taken and worked off: what is confirmed. */
  done: number;
  isStuck: boolean;
  /** That it says nothing has been told. */
  isSilent: boolean;
}

class NatsEngine implements Engine {
  readonly #options: NatsEngineOptions;
  readonly #names;
  readonly #streams: RunStreams;
  readonly #arrivals: Arrivals;
  readonly #links = new Map<NodeAddress, Link>();
  readonly #nextProcess = new Map<NodeAddress, number>();
  readonly #epoch = randomInt(2 ** 31);
  readonly #over = new AbortController();
  readonly #unlisten: (() => void)[] = [];
  #listener: (events: readonly EngineEvent[]) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopping: 'orderly' | 'now' | undefined;
  #onEmpty: () => void = () => undefined;
  #stopped: Promise<void> | undefined;
  #lastTick = 0;
  #waitingSince: number;
  #downSince = 0;

  constructor(options: NatsEngineOptions) {
    this.#options = options;
    this.#names = runNames(options.runId);
    this.#streams = new RunStreams(options.broker, this.#names, options.objects, options.replicas);
    this.#arrivals = new Arrivals(options.folder, options.logs);
    this.#waitingSince = options.clock.monotonic();
  }

  async start(listener: (events: readonly EngineEvent[]) => void): Promise<void> {
    this.#listener = listener;
    const { broker } = this.#options;
    const { newsStream, newsConsumer, allJoins, allBeats } = this.#names;
    for (let told = false; ; told = true) {
      try {
        await this.#streams.begin();
        break;
      } catch (error) {
        if (this.#over.signal.aborted) return;
        if (!told) this.#options.say(`the broker can't make the streams of the run yet: ${messageOf(error)}`);
        await pause(AGAIN_MS, this.#over.signal);
      }
    }
    const stop = this.#over.signal;
    void broker.read(newsStream, newsConsumer, (_subject, bytes) => this.#onNews(bytes), stop);
    this.#unlisten.push(
      broker.listen(allJoins, (_subject, value) => this.#onJoin(value as JoinRequest)),
      broker.listen(allBeats, (_subject, value) => this.#onBeat(value as Beat)),
    );
    void this.#streams.watch(() => this.#onRemade(), stop);
    void this.#streams.announce(() => this.#announcement(), stop);
    broker.onChange = (isUp) => this.#onBroker(isUp);
    this.#lastTick = this.#options.clock.monotonic();
    this.#timer = setInterval(() => this.#tick(), BEAT_MS);
  }

  dispatch(assignments: readonly Assignment[]): void {
    const homeless: EngineEvent[] = [];
    for (const assignment of assignments) {
      const { worker, index, dispatch } = assignment;
      const link = this.#links.get(splitWorkerId(worker).node);
      if (link) {
        link.node.assign(assignment);
        link.pump.kick();
      } else {
        homeless.push({ type: 'assignments-returned', at: this.#at(), worker, assignments: [{ index, dispatch }] });
      }
    }
    // never from within a call of the orchestrator
    if (homeless.length > 0) queueMicrotask(() => this.#listener(homeless));
  }

  stop(how: 'orderly' | 'now'): Promise<void> {
    this.#stopping = how;
    for (const { node, pump } of this.#links.values()) {
      node.stop(how);
      pump.kick();
    }
    this.#stopped ??= this.#finish();
    return this.#stopped;
  }

  async #finish(): Promise<void> {
    if (this.#links.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    this.#over.abort();
    clearInterval(this.#timer);
    for (const unlisten of this.#unlisten) unlisten();
    await Promise.race([this.#streams.end(), pause(AGAIN_MS * 10)]);
    await this.#options.broker.cut();
  }

  // ---- nodes come and go --------------------------------------------------------------------------------------

  #announcement(): Announcement {
    const open = this.#stopping ? 0 : this.#options.nodes - this.#links.size;
    return { protocol: ENGINE_PROTOCOL, run: this.#options.runId, epoch: this.#epoch, open };
  }

  async #onJoin(request: JoinRequest): Promise<JoinAnswer> {
    const { version, nodes } = this.#options;
    if (request.protocol !== ENGINE_PROTOCOL || request.version !== version) {
      return refuse('version', `the run is of parallelrun ${version}, the agent ${request.version}`);
    }
    if (this.#stopping) return refuse('ending', 'the run is about to end');
    const present = this.#links.get(request.address);
    if (present) {
      if (present.agent !== request.agent) {
        return refuse('address', `another agent is ${request.address} in this run: give one of them --advertise`);
      }
      // It was cut off and has let go of all, or was started anew.
      this.#lose(present, 'it came back anew');
    }
    if (this.#links.size >= nodes) return refuse('enough', `the run has its ${nodes} nodes`);
    const now = this.#options.clock.monotonic();
    const node = new RemoteNode(request.address, randomInt(1, 2 ** 32 - 1), now);
    const link = this.#link(node, request.agent);
    this.#links.set(request.address, link);
    try {
      await this.#streams.addNode(request.address);
    } catch (error) {
      if (this.#links.get(request.address) === link) this.#drop(link);
      return refuse('ending', `the broker has no place for it right now: ${messageOf(error)}`);
    }
    const firstProcess = this.#nextProcess.get(request.address) ?? this.#options.firstProcess(request.address);
    return { ok: true, session: node.session, generation: this.#streams.generation, firstProcess };
  }

  #link(node: RemoteNode, agent: string): Link {
    const { broker } = this.#options;
    const { work } = this.#names.of(node.address);
    const pump = new Pump({
      sender: node.sender,
      fill: () => node.nextOrders(),
      publish: (number, bytes) => broker.publish(work, encodeMessage(node.session, number, bytes)),
    });
    return { node, pump, agent, inbox: [], done: 0, isStuck: false, isSilent: false };
  }

  #onBeat(beat: Beat): Pulse {
    const link = this.#bySession(beat.session);
    const { generation } = this.#streams;
    // Given up, or of another orchestrator: what it does counts no more.
    if (!link) return { taken: 0, gap: false, generation, dismissed: true };
    const { node, pump } = link;
    this.#heard(link);
    node.sender.confirm(beat.taken);
    if (beat.gap) node.sender.rewind();
    if (node.sender.kept > 0) pump.kick();
    return { taken: link.done, gap: node.receiver.hasGap, generation };
  }

  #tick(): void {
    const { clock, broker } = this.#options;
    const now = clock.monotonic();
    // While we were stopped or had no broker ourselves nobody could be heard: each gets its time anew.
    if (now - this.#lastTick > 3 * BEAT_MS || !broker.isUp) {
      const grace = broker.isUp ? LEASE_MS / 2 : 0;
      for (const { node } of this.#links.values()) node.heardAt = Math.max(node.heardAt, now - grace);
    }
    this.#lastTick = now;
    for (const link of [...this.#links.values()]) {
      const silence = now - link.node.heardAt;
      if (silence > SILENCE_MS && !link.isSilent && broker.isUp) {
        link.isSilent = true;
        this.#options.say(`node ${link.node.address} is silent: no word for ${SILENCE_MS / 1000} s`);
      }
      if (silence <= LEASE_MS) continue;
      this.#lose(link, `no word for ${LEASE_MS / 1000} s`);
    }
    if (this.#links.size > 0 || this.#stopping) this.#waitingSince = now;
    if (now - this.#waitingSince < WAITING_MS) return;
    this.#waitingSince = now;
    this.#options.say('no node has joined: start some with parallelrun agent --engine and the address of the broker');
  }

  #heard(link: Link): void {
    const now = this.#options.clock.monotonic();
    if (link.isSilent) {
      link.isSilent = false;
      this.#options.say(`node ${link.node.address} is heard again after ${seconds(now - link.node.heardAt)}`);
    }
    link.node.heardAt = now;
  }

  #onBroker(isUp: boolean): void {
    const now = this.#options.clock.monotonic();
    if (isUp) {
      this.#options.say(`the broker is reached again after ${seconds(now - this.#downSince)}`);
      return;
    }
    this.#downSince = now;
    if (!this.#over.signal.aborted) this.#options.say('the broker can no longer be reached');
  }

  #lose(link: Link, why: string): void {
    const { node } = link;
    this.#options.say(`node ${node.address} is lost: ${why}; what it had under way runs again elsewhere`);
    const events = node.lose(this.#at(), 'lost');
    this.#drop(link);
    if (events.length > 0) this.#listener(events);
  }

  #drop(link: Link): void {
    const { address } = link.node;
    link.pump.close();
    if (this.#links.get(address) === link) this.#links.delete(address);
    void this.#streams.dropNode(address);
    if (this.#stopping && this.#links.size === 0) this.#onEmpty();
  }

  #onRemade(): void {
    this.#options.say(
      'the broker had lost the streams of the run: they were made anew, and what was under way is sent again',
    );
    for (const { node, pump } of this.#links.values()) {
      node.sender.rewind();
      pump.kick();
    }
  }

  // ---- what nodes tell ----------------------------------------------------------------------------------------

  #onNews(bytes: Uint8Array): void {
    let message: ReturnType<typeof decodeMessage>;
    try {
      message = decodeMessage(bytes);
    } catch {
      return;
    }
    const link = this.#bySession(message.session);
    if (!link) return;
    this.#heard(link);
    link.inbox.push(...link.node.receiver.receive(message.number, message.frames));
    this.#work(link);
  }

  #work(link: Link): void {
    while (!link.isStuck && link.inbox.length > 0) {
      const [frames] = link.inbox;
      if (!frames) return;
      try {
        const reports = decodeReports(frames);
        for (const report of reports) {
          if (report.m === 'piece') this.#arrivals.piece(report);
          else if (report.m === 'gone') this.#arrivals.gone(report);
        }
        link.inbox.shift();
        link.done += 1;
        for (const report of reports) this.#take(link, report);
      } catch (error) {
        this.#onStuck(link, error);
      }
    }
  }

  #take(link: Link, report: Report): void {
    const { node } = link;
    switch (report.m) {
      case 'events':
        node.note(report.events);
        for (const event of report.events) if (event.type === 'worker-started') this.#onStarted(event.worker);
        this.#listener(report.events.map((event) => withPart(event, this.#options.folder)));
        return;
      case 'log':
        this.#arrivals.log(report);
        return;
      case 'note':
        this.#options.say(`node ${node.address}: ${report.text}`);
        return;
      case 'bye': {
        if (report.why !== undefined) this.#options.say(`node ${node.address} leaves: ${report.why}`);
        const events = node.lose(this.#at(), 'finished');
        this.#drop(link);
        if (events.length > 0) this.#listener(events);
        return;
      }
      case 'piece':
      case 'gone':
        return;
    }
  }

  /** The disk is full, or worse: nothing of the node counts until it can be written. */
  #onStuck(link: Link, error: unknown): void {
    link.isStuck = true;
    this.#options.say(`what node ${link.node.address} brings can't be written: ${messageOf(error)}`);
    setTimeout(() => {
      link.isStuck = false;
      this.#work(link);
    }, AGAIN_MS);
  }

  #onStarted(worker: Parameters<typeof splitWorkerId>[0]): void {
    const { node, process } = splitWorkerId(worker);
    const number = Number.parseInt(process.slice(process.lastIndexOf('-') + 1), 10);
    this.#nextProcess.set(node, Math.max(this.#nextProcess.get(node) ?? 1, number + 1));
  }

  #bySession(session: number): Link | undefined {
    for (const link of this.#links.values()) if (link.node.session === session) return link;
    return undefined;
  }

  #at() {
    return epochMs(this.#options.clock.now());
  }
}

export function createNatsEngine(options: NatsEngineOptions): Engine {
  return new NatsEngine(options);
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function refuse(why: Extract<JoinAnswer, { ok: false }>['why'], text: string): JoinAnswer {
  return { ok: false, why, text };
}

/** Part files have come beside it: below the run folder of the orchestrator. */
function withPart(event: EngineEvent, folder: string): EngineEvent {
  if (event.type !== 'try-outcome' || !event.result.ok || event.result.rows instanceof Uint8Array) return event;
  const { rows } = event.result;
  return { ...event, result: { ...event.result, rows: { ...rows, part: `${folder}/${rows.part}` } } };
}

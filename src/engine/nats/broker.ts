/** The connection to the broker, as far as the engine uses it. The one place that knows the vendor's clients. */
import { readFileSync } from 'node:fs';
import type { Consumer, ConsumerMessages, JetStreamClient, JetStreamManager } from '@nats-io/jetstream';
import type * as JetStreamModule from '@nats-io/jetstream';
import type * as KvModule from '@nats-io/kv';
import type * as ObjModule from '@nats-io/obj';
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node';
import type * as TransportModule from '@nats-io/transport-node';
import { isLoopback } from '../../domain/engine-address.ts';
import type { EngineAddress } from '../../domain/engine-address.ts';
import { SERVER_MIN } from './names.ts';
import { messageOf, notReached, packageMissing, tooOld, withoutJetStream, withoutLogin } from './problems.ts';

/** A publish whose answer is lost is known to have failed after this long. */
const PUBLISH_MS = 4_000;
const CONNECT_MS = 10_000;
const RECONNECT_MS = 250;
const PING_MS = 2_000;
/** Between tries to read from a stream that is not there. */
const AGAIN_MS = 250;
const HEARTBEAT_MS = 1_500;
const PULL_MS = 30_000;

export interface Modules {
  readonly transport: typeof TransportModule;
  readonly jetstream: typeof JetStreamModule;
  readonly kv: typeof KvModule;
  readonly obj: typeof ObjModule;
}

export interface BrokerOptions {
  /** Path of a file with a JWT and seed, or with a bare nkey seed. */
  readonly credentials?: string | undefined;
  /** Paths of PEM files. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  /** Shown by the broker's tools. */
  readonly name: string;
  /** First token of the subjects on which answers come; a credential may be bound to it. */
  readonly inbox?: string | undefined;
}

export type Handler = (subject: string, bytes: Uint8Array) => void;

export class Broker {
  readonly modules: Modules;
  readonly js: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly #connection: NatsConnection;
  #isUp = true;
  #onChange: (isUp: boolean) => void = () => undefined;

  private constructor(modules: Modules, connection: NatsConnection, manager: JetStreamManager) {
    this.modules = modules;
    this.#connection = connection;
    this.manager = manager;
    this.js = modules.jetstream.jetstream(connection, { timeout: PUBLISH_MS });
    void this.#watch();
  }

  /** @throws ParallelRunError PR6002 to PR6006, exit code 2 */
  static async connect(address: EngineAddress, options: BrokerOptions): Promise<Broker> {
    const modules = await load();
    const connection = await connectTo(modules, address, options);
    try {
      const { version, auth_required: asksLogin } = connection.info ?? {};
      if (version === undefined || isOlder(version, SERVER_MIN)) throw tooOld(address.shown, version ?? 'unknown');
      if (asksLogin !== true && !address.insecure && !address.servers.every(isLoopback))
        throw withoutLogin(address.shown);
      const manager = await modules.jetstream.jetstreamManager(connection, { checkAPI: false, timeout: PUBLISH_MS });
      return new Broker(modules, connection, manager);
    } catch (error) {
      await connection.close().catch(() => undefined);
      throw error;
    }
  }

  /** Bytes that fit one message. */
  get payloadMax(): number {
    return this.#connection.info?.max_payload ?? 1024 * 1024;
  }
  get isUp(): boolean {
    return this.#isUp;
  }
  /** Called each time the connection goes or comes back. */
  set onChange(callback: (isUp: boolean) => void) {
    this.#onChange = callback;
  }

  /** Into a stream. Rejects where it isn't known to be there. */
  async publish(subject: string, bytes: Uint8Array): Promise<void> {
    await this.js.publish(subject, bytes, { timeout: PUBLISH_MS, retries: 1 });
  }

  /** To who listens right now; dropped where the connection is down. */
  say(subject: string, value: object): void {
    if (!this.#isUp || this.#connection.isClosed()) return;
    this.#connection.publish(subject, JSON.stringify(value));
  }

  /** Rejects where nobody answers in time. */
  async ask(subject: string, value: object, timeoutMs: number): Promise<unknown> {
    const answer = await this.#connection.request(subject, JSON.stringify(value), { timeout: timeoutMs });
    return answer.json();
  }

  /** @returns what ends it. The handler's value is the answer to who asked; none is sent for `undefined`. */
  listen(
    subject: string,
    handler: (subject: string, value: unknown) => object | undefined | Promise<object | undefined>,
  ) {
    const subscription = this.#connection.subscribe(subject, {
      callback: (error, message) => {
        if (error) return;
        let value: unknown;
        try {
          value = message.json();
        } catch {
          return; // not ours
        }
        void Promise.resolve(handler(message.subject, value))
          .then((answer) => answer && message.respond(JSON.stringify(answer)))
          .catch(() => undefined);
      },
    });
    return () => subscription.unsubscribe();
  }

  /** Reads a consumer until it is aborted, through any absence of broker, stream and consumer. */
  async read(stream: string, consumer: string, handler: Handler, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        await this.#readOnce(await this.js.consumers.get(stream, consumer), handler, stop);
      } catch {
        // not there, or not yet
      }
      await pause(AGAIN_MS, stop);
    }
  }

  async #readOnce(consumer: Consumer, handler: Handler, stop: AbortSignal): Promise<void> {
    const messages = await consumer.consume({
      max_messages: 200,
      expires: PULL_MS,
      idle_heartbeat: HEARTBEAT_MS,
      abort_on_missing_resource: true,
      callback: (message) => {
        handler(message.subject, message.data);
        message.ack();
      },
    });
    const end = (): void => messages.stop();
    stop.addEventListener('abort', end, { once: true });
    if (stop.aborted) end();
    void stopWhenLost(messages);
    await messages.closed();
    stop.removeEventListener('abort', end);
  }

  /** Throws where the broker has no JetStream for us. */
  async checkStreams(shown: string): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await this.manager.getAccountInfo();
        return;
      } catch (error) {
        // A cluster without a leader says for a while that there is none.
        if (tries >= 20) throw withoutJetStream(shown, error);
        await pause(500);
      }
    }
  }

  async close(): Promise<void> {
    await this.#connection.drain().catch(() => this.#connection.close().catch(() => undefined));
  }
  /** Without waiting for what is under way. */
  async cut(): Promise<void> {
    await this.#connection.close().catch(() => undefined);
  }

  async #watch(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type !== 'disconnect' && status.type !== 'reconnect') continue;
      const isUp = status.type === 'reconnect';
      if (isUp === this.#isUp) continue;
      this.#isUp = isUp;
      this.#onChange(isUp);
    }
    this.#isUp = false;
  }
}

/** A consumer that has gone silent, or is gone, is asked for anew. */
async function stopWhenLost(messages: ConsumerMessages): Promise<void> {
  for await (const status of messages.status()) {
    const lost =
      status.type === 'consumer_not_found' ||
      status.type === 'stream_not_found' ||
      status.type === 'consumer_deleted' ||
      status.type === 'no_responders' ||
      (status.type === 'heartbeats_missed' && status.count >= 2);
    if (lost) messages.stop();
  }
}

async function load(): Promise<Modules> {
  return {
    transport: await import('@nats-io/transport-node').catch(missing('@nats-io/transport-node')),
    jetstream: await import('@nats-io/jetstream').catch(missing('@nats-io/jetstream')),
    kv: await import('@nats-io/kv').catch(missing('@nats-io/kv')),
    obj: await import('@nats-io/obj').catch(missing('@nats-io/obj')),
  };
}

const missing = (name: string) => (error: unknown) => {
  throw packageMissing(name, error);
};

async function connectTo(
  { transport }: Modules,
  address: EngineAddress,
  { credentials, tls, name, inbox }: BrokerOptions,
): Promise<NatsConnection> {
  const { servers, user, password, token } = address;
  const [first = ''] = servers;
  try {
    const options: NodeConnectionOptions = {
      servers: [...servers],
      name,
      timeout: CONNECT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
      reconnectJitter: RECONNECT_MS,
      pingInterval: PING_MS,
      maxPingOut: 2,
      ...(inbox !== undefined && { inboxPrefix: inbox }),
      ...(user !== undefined && { user, pass: password ?? '' }),
      ...(token !== undefined && { token }),
      ...(credentials !== undefined && { authenticator: authenticator(transport, credentials) }),
      ...((address.tls || tls) && { tls: { ...filesOf(tls), ...named(first) } }),
    };
    return await transport.connect(options);
  } catch (error) {
    throw notReached(address.shown, error);
  }
}

function authenticator(transport: Modules['transport'], path: string) {
  const text = readFileSync(path);
  const isSeed = /^\s*SU[A-Z0-9]+\s*$/.test(text.toString());
  return isSeed
    ? transport.nkeyAuthenticator(new TextEncoder().encode(text.toString().trim()))
    : transport.credsAuthenticator(text);
}

function filesOf(tls: BrokerOptions['tls']): { caFile?: string; certFile?: string; keyFile?: string } {
  return {
    ...(tls?.ca !== undefined && { caFile: tls.ca }),
    ...(tls?.cert !== undefined && { certFile: tls.cert }),
    ...(tls?.key !== undefined && { keyFile: tls.key }),
  };
}

/** Without a name the client checks for "localhost", and throws where nobody can catch it. */
function named(server: string): object {
  return { host: server.replace(/:\d+$/, '') };
}

/** Of two versions like 2.14.3, by their numbers. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(/[.-]/).slice(0, 3).map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** Resolves at once where it is stopped, before or meanwhile. */
export function pause(ms: number, stop?: AbortSignal): Promise<void> {
  if (stop?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      stop?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop?.addEventListener('abort', done, { once: true });
  });
}

/** The broker is there, and nobody listens on the subject. */
export const isNobodyThere = (error: unknown): boolean =>
  /no responders/i.test(messageOf(error)) || (error instanceof Error && isNobodyThere(error.cause ?? ''));

/** An answer of the broker that something is not there. */
export const isNotFound = (error: unknown): boolean => /not found/i.test(messageOf(error));

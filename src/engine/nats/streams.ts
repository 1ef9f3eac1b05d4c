/** What a run has at the broker: made, looked after, made again when it is gone, and removed at its end. */
import type { ObjectStore } from '@nats-io/obj';
import type { NodeAddress } from '../../domain/ids.ts';
import { isNotFound, pause } from './broker.ts';
import type { Broker } from './broker.ts';
import { RUNS_BUCKET, RUNS_TTL_MS } from './names.ts';
import type { RunNames } from './names.ts';
import { CODE_OBJECT, SPEC_OBJECT } from './protocol.ts';
import type { Announcement } from './protocol.ts';

const LOOK_MS = 2_000;
const ANNOUNCE_MS = 2_000;
const ACK_WAIT_NS = 30_000_000_000;

export interface RunObjects {
  readonly spec: Uint8Array;
  /** As `packCode` makes it. */
  readonly code: Uint8Array;
}

export class RunStreams {
  readonly #broker: Broker;
  readonly #names: RunNames;
  readonly #objects: RunObjects;
  readonly #replicas: number;
  readonly #nodes = new Set<NodeAddress>();
  #generation = 0;

  constructor(broker: Broker, names: RunNames, objects: RunObjects, replicas: number) {
    this.#broker = broker;
    this.#names = names;
    this.#objects = objects;
    this.#replicas = replicas;
  }

  /** Counts how often the streams were made anew. */
  get generation(): number {
    return this.#generation;
  }

  /** Anew: what an earlier orchestrator left is of no use, its sessions are over. */
  async begin(): Promise<void> {
    await this.#remove();
    await this.#make();
  }

  /** Its consumer; there when this resolves. */
  async addNode(node: NodeAddress): Promise<void> {
    this.#nodes.add(node);
    await this.#makeNode(node);
  }

  async dropNode(node: NodeAddress): Promise<void> {
    if (!this.#nodes.delete(node)) return;
    const { workStream, of } = this.#names;
    await this.#broker.manager.consumers.delete(workStream, of(node).consumer).catch(() => undefined);
    await this.#broker.manager.streams.purge(workStream, { filter: of(node).work }).catch(() => undefined);
  }

  /** Looks whether all is there, until it is aborted. @param onRemade what was in the streams is lost */
  async watch(onRemade: () => void, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await pause(LOOK_MS, stop);
      try {
        if (!this.#broker.isUp || (await this.#isWhole())) continue;
        await this.#make();
        onRemade();
      } catch {
        // the broker is away, or has no leader right now
      }
    }
  }

  /** Says each few seconds that the run looks for nodes, until it is aborted. */
  async announce(what: () => Announcement, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        const bucket = await openRuns(this.#broker, this.#replicas);
        await bucket.put(this.#names.key, JSON.stringify(what()));
      } catch {
        // the next one
      }
      await pause(ANNOUNCE_MS, stop);
    }
  }

  async end(): Promise<void> {
    try {
      await (await openRuns(this.#broker, this.#replicas)).delete(this.#names.key);
    } catch {
      // it goes by itself
    }
    await this.#remove();
  }

  async #isWhole(): Promise<boolean> {
    const { workStream, newsStream, newsConsumer, of } = this.#names;
    const { streams, consumers } = this.#broker.manager;
    try {
      await streams.info(workStream);
      await streams.info(newsStream);
      await consumers.info(newsStream, newsConsumer);
      for (const node of this.#nodes) await consumers.info(workStream, of(node).consumer);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async #make(): Promise<void> {
    const { workStream, newsStream, newsConsumer, allWork, allNews } = this.#names;
    const { manager, modules } = this.#broker;
    const { RetentionPolicy, StorageType, AckPolicy } = modules.jetstream;
    const common = {
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      num_replicas: this.#replicas,
      // numbers of ours tell doubles
      duplicate_window: 100_000_000,
    };
    await ignoreExisting(manager.streams.add({ ...common, name: workStream, subjects: [allWork] }));
    await ignoreExisting(manager.streams.add({ ...common, name: newsStream, subjects: [allNews] }));
    await manager.consumers.add(newsStream, {
      durable_name: newsConsumer,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ACK_WAIT_NS,
      max_ack_pending: 10_000,
    });
    for (const node of this.#nodes) await this.#makeNode(node);
    const store = await this.#store();
    await store.putBlob({ name: SPEC_OBJECT }, this.#objects.spec);
    await store.putBlob({ name: CODE_OBJECT }, this.#objects.code);
    this.#generation += 1;
  }

  async #makeNode(node: NodeAddress): Promise<void> {
    const { workStream, of } = this.#names;
    const { consumer, work } = of(node);
    await this.#broker.manager.consumers.add(workStream, {
      durable_name: consumer,
      ack_policy: this.#broker.modules.jetstream.AckPolicy.Explicit,
      ack_wait: ACK_WAIT_NS,
      max_ack_pending: 10_000,
      filter_subject: work,
    });
  }

  #store(): Promise<ObjectStore> {
    const { obj } = this.#broker.modules;
    return new obj.Objm(this.#broker.js).create(this.#names.objects, { replicas: this.#replicas });
  }

  async #remove(): Promise<void> {
    const { manager } = this.#broker;
    for (const name of [this.#names.workStream, this.#names.newsStream, `OBJ_${this.#names.objects}`]) {
      await manager.streams.delete(name).catch(() => undefined);
    }
  }
}

export async function openRuns(broker: Broker, replicas: number) {
  const kvm = new broker.modules.kv.Kvm(broker.js);
  try {
    const bucket = await kvm.open(RUNS_BUCKET);
    // opening asks nobody
    await bucket.status();
    return bucket;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return kvm.create(RUNS_BUCKET, { ttl: RUNS_TTL_MS, replicas, history: 1 });
  }
}

async function ignoreExisting(making: Promise<unknown>): Promise<void> {
  try {
    await making;
  } catch (error) {
    if (!/already in use/i.test(error instanceof Error ? error.message : '')) throw error;
  }
}

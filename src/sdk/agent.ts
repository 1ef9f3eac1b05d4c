/** `parallelrun agent`: makes this machine a node of the runs that look for nodes. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { availableParallelism, hostname, tmpdir, totalmem, userInfo } from 'node:os';
import { resolve } from 'node:path';
import { parseRunId } from '../domain/ids.ts';
import type { NodeAddress, RunId } from '../domain/ids.ts';
import { findAddress } from '../node/address.ts';
import { countGpus } from '../node/gpus.ts';
import type { Broker } from '../engine/nats/broker.ts';
import { inboxOfNode } from '../engine/nats/permissions.ts';
import { Gate } from '../engine/nats/gate.ts';
import type { Announcement, JoinRequest } from '../engine/nats/protocol.ts';
import { connectEngine } from './engine.ts';
import { packageVersion } from './package.ts';
import { ServedRun } from './served-run.ts';

export interface AgentOptions {
  /** `nats://host:4222`. */
  readonly engine: string;
  /** Worker processes at a time; default one for each core, or each NVIDIA GPU. */
  readonly slots?: number;
  /** Address of this node in the logs; default as everywhere. */
  readonly advertise?: string;
  /** Default a folder of this user among the temporary ones. */
  readonly workFolder?: string;
  /** Serves this run alone, and ends with it. */
  readonly run?: string;
  /** Ends when there was no run for so long. */
  readonly idleExitSeconds?: number;
  /** Aborting leaves in order: what runs is finished, the rest handed back. */
  readonly signal?: AbortSignal;
  /** Aborting kills what runs. */
  readonly killSignal?: AbortSignal;
  /** What happens, a line each for a person. */
  readonly onProgress?: (line: string) => void;
}

const RETRY_MS = 1_000;
/** No run has been announced for so long: perhaps the bucket is another one by now. */
const STALE_MS = 10_000;

/** Resolves when the agent has left. @throws ParallelRunError PR6001 to PR6006, exit code 2 */
export async function serveAgent(options: AgentOptions): Promise<void> {
  const address = await findAddress(options.advertise);
  const { broker, address: engine } = await connectEngine(
    options.engine,
    `agent ${address}`,
    process.env,
    inboxOfNode(address),
  );
  const gpus = countGpus();
  const slots = options.slots ?? (gpus > 0 ? gpus : availableParallelism());
  const say = options.onProgress ?? ((): void => undefined);
  say(`node ${address} (${hostname()}) with ${slots} place(s) for workers waits for runs at ${engine.shown}`);
  const agent = new Agent(broker, options, { address, slots, gpus, say });
  try {
    await agent.serve();
  } finally {
    await broker.cut();
  }
}

interface Here {
  readonly address: NodeAddress;
  readonly slots: number;
  readonly gpus: number;
  readonly say: (line: string) => void;
}

class Agent {
  readonly #broker: Broker;
  readonly #options: AgentOptions;
  readonly #here: Here;
  readonly #id = randomBytes(8).toString('hex');
  readonly #workFolder: string;
  /** By run; undefined while it is asked for a place. */
  readonly #runs = new Map<string, ServedRun | undefined>();
  /** Runs that could not be served here, by their epoch: not asked again. */
  readonly #unfit = new Map<string, number>();
  readonly #told = new Map<string, string>();
  readonly #over = new AbortController();
  readonly #gate: Gate;
  #idleSince = performance.now();

  constructor(broker: Broker, options: AgentOptions, here: Here) {
    this.#broker = broker;
    this.#options = options;
    this.#here = here;
    this.#gate = new Gate(here.slots);
    const base = options.workFolder ?? `${tmpdir()}/parallelrun-${userInfo().username}`;
    this.#workFolder = `${resolve(base)}/${here.address.replaceAll(':', '_')}`;
    mkdirSync(this.#workFolder, { recursive: true, mode: 0o700 });
  }

  async serve(): Promise<void> {
    const { signal, killSignal } = this.#options;
    const leave = (): void => this.#leave('orderly');
    const kill = (): void => this.#leave('now');
    signal?.addEventListener('abort', leave, { once: true });
    killSignal?.addEventListener('abort', kill, { once: true });
    if (signal?.aborted) leave();
    const idle = setInterval(() => this.#checkIdle(), RETRY_MS);
    while (!this.#over.signal.aborted) await this.#follow();
    clearInterval(idle);
    while (this.#runs.size > 0) {
      for (const run of [...this.#runs.values()]) await run?.done;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #leave(how: 'orderly' | 'now'): void {
    this.#over.abort();
    for (const run of this.#runs.values()) run?.stop(how, 'its agent was told to end');
  }

  /** Listens to what is announced, until that grows stale. */
  async #follow(): Promise<void> {
    const { openRuns } = await import('../engine/nats/streams.ts');
    const stop = this.#over.signal;
    try {
      const bucket = await openRuns(this.#broker, 1);
      const watch = await bucket.watch();
      let heardAt = performance.now();
      const end = (): void => watch.stop();
      stop.addEventListener('abort', end, { once: true });
      const stale = setInterval(() => {
        if (performance.now() - heardAt > STALE_MS) end();
      }, RETRY_MS);
      for await (const entry of watch) {
        heardAt = performance.now();
        if (entry.operation === 'PUT') void this.#consider(entry.json<Announcement>());
      }
      clearInterval(stale);
      stop.removeEventListener('abort', end);
    } catch {
      // the broker is away
      if (!stop.aborted) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #consider({ run: name, epoch, open }: Announcement): Promise<void> {
    const run = parseRunId(name);
    if (run === undefined || this.#over.signal.aborted || this.#runs.has(run) || open <= 0) return;
    if (this.#unfit.get(run) === epoch) return;
    if (this.#options.run !== undefined && this.#options.run !== run) return;
    this.#runs.set(run, undefined);
    try {
      await this.#serve(run, epoch);
    } finally {
      this.#runs.delete(run);
      this.#idleSince = performance.now();
    }
  }

  async #serve(run: RunId, epoch: number): Promise<void> {
    const { Membership } = await import('../engine/nats/membership.ts');
    const { ENGINE_PROTOCOL } = await import('../engine/nats/protocol.ts');
    const { address, slots, gpus, say } = this.#here;
    const request: JoinRequest = {
      protocol: ENGINE_PROTOCOL,
      version: packageVersion(),
      address,
      hostname: hostname(),
      agent: this.#id,
      cores: availableParallelism(),
      memoryBytes: totalmem(),
      gpus,
    };
    const joined = await Membership.join(this.#broker, run, request);
    if (!joined) return;
    if (!('open' in joined)) {
      const { answer } = joined;
      if (answer.why === 'version') this.#unfit.set(run, epoch);
      if (this.#told.get(run) !== answer.text) say(`run ${run}: not joined: ${answer.text}`);
      this.#told.set(run, answer.text);
      return;
    }
    this.#told.delete(run);
    say(`run ${run}: joined`);
    const served = new ServedRun({
      ...{ address, slots, firstProcess: joined.answer.firstProcess, workFolder: this.#workFolder, gate: this.#gate },
      onProgress: (line) => say(`run ${run}: ${line}`),
    });
    this.#runs.set(run, served);
    const membership = joined.open({
      onOrders: (orders) => served.onOrders(orders),
      onOver: (why) => served.cutOff(why),
    });
    void served.serve(membership);
    if (this.#over.signal.aborted) served.stop('orderly');
    await served.done;
    if (served.failed) this.#unfit.set(run, epoch);
    say(`run ${run}: left`);
    if (this.#options.run === run && !served.wasCutOff) this.#over.abort();
  }

  #checkIdle(): void {
    const { idleExitSeconds } = this.#options;
    if (this.#runs.size > 0) this.#idleSince = performance.now();
    if (idleExitSeconds === undefined || performance.now() - this.#idleSince < idleExitSeconds * 1000) return;
    this.#here.say(`no run for ${idleExitSeconds} s`);
    this.#over.abort();
  }
}

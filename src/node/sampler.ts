/** Resource samples of a node and its workers, written at a fixed period (contract 3.2). Only where there is `/proc`. */
import { existsSync } from 'node:fs';
import { logPath } from '../domain/layout.ts';
import type { NodeAddress } from '../domain/ids.ts';
import type { Clock, LogSink } from '../domain/ports.ts';
import { processCounters, systemCounters } from './counters.ts';
import { GpuWatch } from './gpus.ts';
import { listStats } from './procfs.ts';
import { PROCESS_HEADER, processRow, systemHeader, systemRow } from './samples.ts';
import type { ProcessCounters, SystemCounters } from './samples.ts';

/** Short runs have a sample too. */
const FIRST_AFTER_MS = 400;

export interface SamplerOptions {
  readonly address: NodeAddress;
  readonly runFolder: string;
  /** 0 = off. */
  readonly intervalMs: number;
  readonly gpus: number;
  readonly logs: LogSink;
  readonly clock: Clock;
}

interface Watched {
  readonly pid: number;
  readonly since: number;
  latest: { readonly counters: ProcessCounters; readonly at: number } | undefined;
}

export class Sampler {
  readonly #options: SamplerOptions;
  readonly #on: boolean;
  readonly #workers = new Map<number, Watched>();
  readonly #gpus: GpuWatch;
  #system: SystemCounters | undefined;
  #hasSystemFile = false;
  #nextAt: number;

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#system = options.intervalMs > 0 ? systemCounters(options.runFolder) : undefined;
    this.#on = this.#system !== undefined;
    this.#gpus = new GpuWatch(this.#on ? options.gpus : 0, options.intervalMs);
    this.#nextAt = options.clock.monotonic() + FIRST_AFTER_MS;
  }

  add(pid: number): void {
    if (this.#on) this.#workers.set(pid, { pid, since: this.#options.clock.monotonic(), latest: undefined });
  }

  /** Its process is gone, or is about to go: what wasn't sampled yet is now. */
  remove(pid: number): void {
    this.sampleOnce(pid);
    this.#workers.delete(pid);
  }

  /** One sample of a worker that has none, while its process is there to be looked at. */
  sampleOnce(pid: number): void {
    const worker = this.#workers.get(pid);
    if (worker && !worker.latest) this.#sample([worker]);
  }

  /** Called often; samples when it is time. */
  tick(now: number): void {
    if (!this.#on) return;
    if (now >= this.#nextAt) {
      this.#nextAt = now + this.#options.intervalMs;
      this.#sample([...this.#workers.values()]);
      this.#sampleSystem();
      return;
    }
    const unseen = [...this.#workers.values()].filter((w) => !w.latest && now - w.since >= FIRST_AFTER_MS);
    if (unseen.length > 0) this.#sample(unseen);
  }

  /** A last look at the machine, where there was none. */
  stop(): void {
    if (this.#on && !this.#hasSystemFile) this.#sampleSystem();
    this.#gpus.stop();
  }

  #sample(workers: readonly Watched[]): void {
    const { address, clock, logs, runFolder } = this.#options;
    const stats = listStats();
    const now = clock.monotonic();
    const memoryTotal = this.#system?.memoryTotal ?? 0;
    for (const worker of workers) {
      const counters = processCounters(worker.pid, stats);
      if (!counters) continue;
      const seconds = (now - (worker.latest?.at ?? worker.since)) / 1000;
      const row = processRow(clock.now(), counters, worker.latest?.counters, seconds, memoryTotal);
      const path = logPath.processMonitor(address, worker.pid);
      // a resumed run goes on in the file it has, should the number of a process come back
      const isNew = !worker.latest && !existsSync(`${runFolder}/${path}`);
      logs.append(path, isNew ? PROCESS_HEADER + row : row);
      worker.latest = { counters, at: now };
    }
  }

  #sampleSystem(): void {
    const { address, clock, logs, runFolder } = this.#options;
    const now = systemCounters(runFolder);
    if (!now || !this.#system) return;
    const path = logPath.systemMonitor(address);
    const row = systemRow(clock.now(), now, this.#system, this.#gpus.latest);
    this.#system = now;
    const isNew = !this.#hasSystemFile && !existsSync(`${runFolder}/${path}`);
    this.#hasSystemFile = true;
    logs.append(path, isNew ? systemHeader(this.#gpus.latest.length) + row : row);
  }
}

/**
 * A worker process with all that is made for it: folder, mark file, raw output, control group. Made together, killed
 * together, taken apart together.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { encodeFrame } from '../domain/frame.ts';
import { splitWorkerId } from '../domain/ids.ts';
import type { NodeAddress, WorkerId } from '../domain/ids.ts';
import type { LogSink } from '../domain/ports.ts';
import type { RunWarning } from '../domain/event.ts';
import { Capture } from './capture.ts';
import type { CgroupHome, WorkerCgroup } from './cgroup.ts';
import { workerEnvironment, workerMarker } from './environment.ts';
import { agentHello, workFolder } from './hello.ts';
import type { DebugRequest } from './hello.ts';
import { MarkFile } from './markfile.ts';
import { preferAsVictim } from './oom.ts';
import type { OomWitness } from './oom.ts';
import type { WorkerOptions } from './options.ts';
import { WorkerProcess } from './process.ts';
import type { ProcessListener } from './process.ts';
import type { SlotLimits } from './slot.ts';
import { inspectorFlags } from './stacks.ts';
import { sweep } from './tree.ts';
import { TryWitness } from './witness.ts';

/** What all slots of a node share. */
export interface NodeFacts {
  readonly address: NodeAddress;
  readonly session: string;
  readonly gpus: number;
  /** Stands before the command of a worker: makes it die with the agent. */
  readonly commandPrefix: readonly string[];
  readonly limits: SlotLimits;
  readonly oom: OomWitness;
  /** A worker that grew by so much is replaced; absent: none is. */
  readonly growthBytesMax?: number | undefined;
  /** Bound of the control groups; the memory guard keeps it by itself. */
  readonly memoryLimitBytes?: number | undefined;
  /** Absent: no control groups can be made here. */
  readonly cgroups?: CgroupHome | undefined;
}

/** `capture`: output to files and logs. `inherit`: a person sits in front of it. */
export type SlotOutput =
  | { readonly to: 'capture'; readonly logs: LogSink }
  | { readonly to: 'inherit'; readonly debug?: DebugRequest | undefined };

export interface BodySpec {
  readonly options: WorkerOptions;
  readonly node: NodeFacts;
  readonly output: SlotOutput;
  /** Index of its GPU. */
  readonly gpu: number | undefined;
  readonly worker: WorkerId;
  readonly warn: (event: RunWarning) => void;
}

export class WorkerBody {
  readonly process: WorkerProcess;
  readonly capture: Capture | undefined;
  readonly witness: TryWitness;
  readonly #spec: BodySpec;
  readonly #name: string;
  readonly #markFile: MarkFile | undefined;
  readonly #group: WorkerCgroup | undefined;

  /** Spawns, and says hello. @throws where folder or files can't be made */
  constructor(spec: BodySpec, listener: ProcessListener) {
    const { options, node, output, worker } = spec;
    this.#spec = spec;
    this.#name = splitWorkerId(worker).process;
    const cwd = workFolder(options, this.#name);
    mkdirSync(cwd, { recursive: true });
    const markFile = MarkFile.create(`${options.layout.capture}/${node.address}-${this.#name}.mark`);
    this.#markFile = markFile;
    const debug = output.to === 'inherit' ? output.debug : undefined;
    const hello = agentHello(options, node.address, this.#name, { debug, markFile: markFile?.path });
    if (hello.profiling) mkdirSync(dirname(hello.profiling.file), { recursive: true });
    this.capture = output.to === 'capture' ? this.#newCapture(output.logs) : undefined;
    this.witness = new TryWitness(this.capture, markFile);
    this.process = this.#spawn(cwd, listener);
    const { pid } = this.process;
    preferAsVictim(pid);
    // before it has read its hello: everything it starts is in the group too
    this.#group = pid === 0 ? undefined : node.cgroups?.put(this.#name, pid, node.memoryLimitBytes);
    this.process.write(encodeFrame(hello));
  }

  #spawn(cwd: string, listener: ProcessListener): WorkerProcess {
    const { options, node, output, gpu } = this.#spec;
    const { command, args, language } = options.hostCommand;
    const [first = command, ...rest] = [...node.commandPrefix, command, ...inspectorFlags(language), ...args];
    const { address, session, gpus } = node;
    return new WorkerProcess(
      {
        command: first,
        args: rest,
        env: workerEnvironment(options, { address, process: this.#name, session, gpus, gpu }),
        cwd,
        stdio: this.capture ? ['ignore', ...this.capture.descriptors] : ['inherit', 'inherit', 'inherit'],
        ownSession: output.to === 'capture' || output.debug === undefined,
      },
      listener,
    );
  }

  #newCapture(logs: LogSink): Capture {
    const { options, node, worker, warn } = this.#spec;
    const { clock, limits, layout } = options;
    const keepBytes = limits.captureBytesPerTry;
    const { address } = node;
    return new Capture({
      folder: layout.capture,
      worker,
      node: address,
      process: this.#name,
      keepBytes,
      logs,
      clock,
      warn,
    });
  }

  /** SIGKILL to the worker and all that it started, after a last look at it. */
  kill(): void {
    this.witness.beforeKill(this.process.pid);
    this.process.kill();
    this.#group?.kill();
  }

  /** The kernel counted a kill for want of memory that fits this death by SIGKILL. */
  get wasOutOfMemory(): boolean {
    const known = this.#spec.node.oom.explainsKill();
    return (this.#group?.oomKills ?? 0) > 0 || known;
  }

  /** What is left of its tree dies, what is left of its output is shown. @returns processes that did not die in time */
  async takeApart(): Promise<readonly number[]> {
    const { options, node, worker } = this.#spec;
    this.process.abandon();
    const { session, address } = node;
    const marker = { session, worker: workerMarker(options.runId, address, splitWorkerId(worker).process) };
    const group = this.#group;
    const left = this.process.pid ? await sweep(marker, [...this.process.tree], () => group?.members() ?? []) : [];
    group?.remove();
    this.#markFile?.remove();
    return left;
  }
}

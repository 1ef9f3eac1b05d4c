/** What an agent must know about a run to work for it: facts of the plan, and the ports it uses. */
import type { Limits, ModelSpec, OutputSpec, Plan, MiniBatchFormat } from '../domain/plan.ts';
import type { Fence } from './guard.ts';
import type { MemoryFiles } from './nodememory.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { RunId } from '../domain/ids.ts';
import type { Clock, LogSink } from '../domain/ports.ts';
import type { WorkerTable } from '../domain/protocol.ts';

/** How a worker host is started: interpreter and host script, with everything that stands before the script. */
export interface HostCommand {
  readonly language: 'python' | 'node';
  /** Absolute path of the real interpreter (no shim: those cost 80 ms a start). */
  readonly command: string;
  /** Flags, then the host script as the last one. */
  readonly args: readonly string[];
  /** The command isn't the interpreter but starts it, in a container perhaps. */
  readonly wrapped?: true;
}

export interface EntryFacts {
  /** Absolute folder of the code snapshot; first on the import path. */
  readonly codeFolder: string;
  /** Absolute path of the script; for TypeScript the bundled `.mjs`. */
  readonly script: string;
  readonly moduleName: string;
}

/** What every worker of a run is told, however it is started. */
export interface WorkerOptions {
  readonly runId: RunId;
  readonly experimentName: string;
  readonly layout: RunLayout;
  readonly entry: EntryFacts;
  readonly hostCommand: HostCommand;
  /** `sys.argv[1:]` of the script. */
  readonly scriptArguments: readonly string[];
  /** `environment_variables` of the job. */
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** `Plan.rootRunId`. */
  readonly rootRunId?: string;
  /** `Plan.dataInputs`. */
  readonly dataInputs?: Readonly<Record<string, string>>;
  /** Absolute folder of the registry of models. */
  readonly modelRegistry?: string;
  /** `Plan.models`. */
  readonly models?: Readonly<Record<string, ModelSpec>>;
  /** Environment of the agent; default the process's own. */
  readonly baseEnvironment?: Readonly<Record<string, string | undefined>>;
  readonly output: OutputSpec;
  /** `AZUREML_BI_OUTPUT_PATH`. */
  readonly outputFolder: string;
  readonly tables: readonly WorkerTable[];
  readonly handOver?: MiniBatchFormat;
  /** `Plan.inFlight`. */
  readonly inFlight?: boolean;
  readonly limits: Limits;
  readonly loggingLevel: 'DEBUG' | 'INFO' | 'WARNING';
  /** Address of this node; else it is found out (`address.ts`). */
  readonly advertise?: string;
  readonly profilingModule?: 'cProfile' | 'profile';
  /** GPUs of the node; default those that are found. */
  readonly gpus?: number;
  readonly clock: Clock;
}

export interface NodeOptions extends WorkerOptions {
  /** Worker processes on this node, >= 1. */
  readonly processesPerNode: number;
  /** 0 = no resource samples. */
  readonly resourceMonitorIntervalMs: number;
  readonly logs: LogSink;
  /** `Plan.recycle`. */
  readonly recycle?: NonNullable<Plan['recycle']>;
  /** `Plan.memoryLimitBytes`. */
  readonly memoryLimitBytes?: number;
  /** Number of the first worker process, where the folder of the run doesn't know; default 1. */
  readonly firstProcess?: number;
  /** Workers die when this agent stands still; absent: they go on with it. */
  readonly fence?: Fence;
  /** For tests; default those of the system. */
  readonly memoryFiles?: MemoryFiles;
}

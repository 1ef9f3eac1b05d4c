/**
 * The worker protocol: what agent and worker host say to each other over a private duplex channel (descriptor 3,
 * a socketpair). Written for people in `docs/protocol.md`; both hosts are tested against `protocol/vectors.json`.
 *
 * Frame: u32 LE length of the header, u32 LE length of the body, header (JSON, ASCII only, one object whose `m`
 * names the message), body (opaque bytes, may be empty). JSON never holds NaN, Infinity or integers beyond 2^53.
 */
import type { CsvDialect, MiniBatchFormat, OutputFormat, SchemaDrift, TableFormat, TableSchema } from './plan.ts';
import type { ExceptionFacts, StackFrame } from './failure.ts';

export const PROTOCOL_VERSION = 1;
/** A header longer than this ends the worker: `protocol-error`. */
export const HEADER_BYTES_MAX = 4 * 1024 * 1024;
/** Encoded rows up to this size travel in the `done` frame; larger ones go to a part file. */
export const INLINE_ROWS_BYTES_MAX = 64 * 1024;

// ---- agent to worker --------------------------------------------------------------------------------------

/** First message. The host answers with its own hello, loads the entry module, then calls `init()`. */
export interface AgentHello {
  readonly m: 'hello';
  readonly protocol: number;
  readonly runId: string;
  /** `Process-3`; becomes `multiprocessing.current_process().name`. */
  readonly process: string;
  /** Advertised address; what the resolver returns for the own host name. */
  readonly address: string;
  /** Absolute folder of the code, first on the import path. */
  readonly codeFolder: string;
  /** Absolute path of the script; for TypeScript the bundled `.mjs`. */
  readonly script: string;
  readonly moduleName: string;
  /** Becomes `sys.argv[1:]` / `process.argv.slice(2)`; argv[0] (argv[1] in Node) is the script. */
  readonly argv: readonly string[];
  readonly runFolder: string;
  /** Working folder of this worker, also its cwd at start. */
  readonly workFolder: string;
  readonly output:
    { readonly action: 'append_row'; readonly format: OutputFormat } | { readonly action: 'summary_only' };
  /** Folder for part files of large results. */
  readonly partFolder: string;
  /**
   * File of at least 16 bytes in which the host may mark the item under way, so that it is known when the process dies:
   * u32 LE dispatch number, u32 LE index of the mini-batch, u32 LE position among the items of the whole mini-batch, 0.
   * Zeros: nothing is marked. Python hosts mark mini-batches of files from their second try on, and parts of them.
   */
  readonly markFile?: string;
  readonly tables: readonly WorkerTable[];
  /** What `run()` gets of table rows in Python. Default pandas. */
  readonly handOver?: MiniBatchFormat;
  /** The script works on several mini-batches at once. Python hosts alone know it. */
  readonly inFlight?: true;
  readonly loggingLevel: 'DEBUG' | 'INFO' | 'WARNING';
  /** Present when somebody wants to attach: wait for a debugger, stop at the first line of `run`. */
  readonly debug?: {
    readonly port: number;
    /** Stop in the debugger after an exception instead. */ readonly postMortem?: boolean;
  };
  readonly profiling?: {
    readonly module: 'cProfile' | 'profile';
    /** Profile file to write at exit. */ readonly file: string;
  };
}

/** How rows of a table input are read; `MiniBatchSource.table` points into the list. */
export type WorkerTable = (WorkerCsv | Exclude<TableFormat, { format: 'csv' }>) & {
  readonly schema: TableSchema;
};

/** A slice never holds the header. */
export type WorkerCsv = Omit<CsvDialect, 'header' | 'ragged'> &
  SchemaDrift & {
    readonly format: 'csv';
    /** Names of columns of texts in which each number is one. Python hosts alone know it. */
    readonly mixed?: readonly string[];
  };

/** Body: JSON of a `MiniBatchSource`. Several may wait in the channel; the host runs them in order, one at a time. */
export interface RunMessage {
  readonly m: 'run';
  readonly i: number;
  /** Dispatch number; comes back in every answer about this hand-out. */
  readonly d: number;
  /** Try number, for `mini_batch_context.try_number`. */
  readonly t: number;
  /**
   * Only these items of the source, `[from, to)`: a part of a mini-batch whose culprits are looked for. The script sees
   * them as if they were the whole mini-batch.
   */
  readonly p?: readonly [from: number, to: number];
}

/** Finish what is waiting? No: drop what has not begun, call `shutdown()`, say `bye`, exit 0. Closing the channel means the same. */
export interface StopMessage {
  readonly m: 'stop';
}

export type AgentMessage = AgentHello | RunMessage | StopMessage;

// ---- worker to agent --------------------------------------------------------------------------------------

export interface WorkerHello {
  readonly m: 'hello';
  readonly protocol: number;
  readonly pid: number;
  readonly language: 'python' | 'node';
  /** Of the interpreter: `3.11.7`, `v20.20.2`. */
  readonly version: string;
}

/** The entry module is imported and has a `run`. `s`: wall seconds of the import. */
export interface LoadedMessage {
  readonly m: 'loaded';
  readonly s: number;
}

/** `init()` returned (or there is none). The worker takes mini-batches from now on. */
export interface InitializedMessage {
  readonly m: 'initialized';
  readonly s: number;
}

/** Load or init failed: the host exits with code 1 after this. A shutdown error is followed by `bye`. */
export interface StageErrorMessage {
  readonly m: 'stage-error';
  readonly stage: 'load' | 'init' | 'shutdown';
  readonly s: number;
  readonly error:
    | ({ readonly kind: 'exception' } & ExceptionFacts)
    | { readonly kind: 'no-run-function'; readonly file: string; readonly defined: readonly string[] };
}

/**
 * Sizes of the raw stdout and stderr files (bytes, after flushing the interpreter's own buffers): what lies
 * between the marks of `begin` and of `done` or `failed` was printed by that try.
 */
export type OutputMarks = readonly [stdout: number, stderr: number];

/** `run()` is about to be called; its time limit counts from the arrival of this. `w`: epoch seconds. */
export interface BeginMessage {
  readonly m: 'begin';
  readonly i: number;
  readonly d: number;
  readonly w: number;
  readonly o: OutputMarks;
}

interface TryEnd {
  readonly i: number;
  readonly d: number;
  /** Items of the mini-batch as the host counted them before the call. */
  readonly n: number;
  /** Wall clock of start and end, epoch seconds with microseconds (`start1`, `end1`). */
  readonly w: readonly [number, number];
  /** CPU seconds of the process at start and end (`start2`, `end2`). */
  readonly c: readonly [number, number];
  /** Seconds inside `run()` on a monotonic clock. */
  readonly r: number;
  readonly o: OutputMarks;
}

/** Body: the encoded rows, unless `part` is there (then empty). summary_only: always empty. */
export interface DoneMessage extends TryEnd {
  readonly m: 'done';
  /** Length of what `run()` returned = items that succeeded, uncapped. */
  readonly k: number;
  /** Large results: the part file with the rows, complete and closed. */
  readonly part?: { readonly path: string; readonly bytes: number };
  /** csv only: column names of a returned DataFrame, sent with every result that has them. */
  readonly columns?: readonly string[];
}

export interface FailedMessage extends TryEnd {
  readonly m: 'failed';
  /** Position, among the items of the whole mini-batch, of the one that was under way, where the host knows it. */
  readonly item?: number;
  /** Highest resident memory of the process so far, bytes. */
  readonly rss?: number;
  readonly error:
    | ({ readonly kind: 'exception' } & ExceptionFacts)
    | { readonly kind: 'invalid-return'; readonly returned: string; readonly frame?: StackFrame }
    | ({ readonly kind: 'unencodable-row'; readonly row: number } & ExceptionFacts)
    | { readonly kind: 'input-error'; readonly path: string; readonly reason: string; readonly errno?: string };
}

/** After `shutdown()`; the process exits with code 0. */
export interface ByeMessage {
  readonly m: 'bye';
  readonly s: number;
}

/** The debugger listens; a person may attach now. */
export interface DebugWaitingMessage {
  readonly m: 'debug-waiting';
  readonly port: number;
  /** `ws://...` for Node. */
  readonly url?: string;
}

/** A metric, tag or file recorded through `Run`; kept with the run. */
export interface RecordMessage {
  readonly m: 'record';
  readonly what: 'metric' | 'tag' | 'property' | 'file';
  readonly name: string;
  /** JSON value of a metric (number, list, row object) or text of a tag; path relative to the run folder of a file. */
  readonly value: unknown;
  readonly w: number;
}

export type WorkerMessage =
  | WorkerHello
  | LoadedMessage
  | InitializedMessage
  | StageErrorMessage
  | BeginMessage
  | DoneMessage
  | FailedMessage
  | ByeMessage
  | DebugWaitingMessage
  | RecordMessage;

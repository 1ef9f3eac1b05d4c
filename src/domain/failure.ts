/**
 * Everything that can go wrong in a run, as facts. Texts for terminal, logs and portal are functions of these
 * (`views/text`); nothing here is a sentence except what the user's own code said.
 */

/** One frame of a traceback, outermost first in a list of them. */
export interface StackFrame {
  /** Path relative to the code folder where the frame is the user's own, else absolute. */
  readonly file: string;
  readonly line: number;
  readonly function: string;
  /** The line of source, stripped, where it could be read. */
  readonly text?: string;
  /** True for frames of the user's code folder: these make the signature of an error. */
  readonly own: boolean;
}

/** An exception of the user's code, as the worker host reports it. */
export interface ExceptionFacts {
  /** `ValueError`, `sklearn.exceptions.NotFittedError`, `TypeError`. Builtins without their module. */
  readonly exceptionType: string;
  /** `str(exception)`, cut to 8 KiB by the host. */
  readonly message: string;
  /** The whole formatted traceback with its chain, cut to 64 KiB in the middle by the host. */
  readonly traceback: string;
  readonly frames: readonly StackFrame[];
}

export type ExitFacts =
  | { readonly by: 'code'; readonly code: number }
  | {
      readonly by: 'signal';
      readonly signal: string;
      /** Proven by a kernel counter, or killed by the memory guard of the node. */ readonly outOfMemory: boolean;
      /** Present where the guard did it, before the kernel had to choose. */
      readonly guard?: {
        /** `limit`: over the memory limit of a process; `node`: the memory of the machine was nearly used up. */
        readonly rule: 'limit' | 'node';
        /** Resident memory of the worker and what it started. */
        readonly rssBytes: number;
        /** The limit; or what was left on the machine. */
        readonly limitBytes: number;
      };
    };

/** Why one try of a mini-batch failed. */
export type TryFailure =
  | ({ readonly kind: 'exception' } & ExceptionFacts)
  | {
      readonly kind: 'invalid-return';
      /** `NoneType`, `str`. */ readonly returned: string;
      readonly frame?: StackFrame;
    }
  | ({ readonly kind: 'unencodable-row'; readonly row: number } & ExceptionFacts)
  | { readonly kind: 'input-error'; readonly path: string; readonly reason: string; readonly errno?: string }
  /** A file isn't what it was when the mini-batch was created; it isn't handed out at all. Times in epoch ms. */
  | {
      readonly kind: 'input-changed';
      readonly path: string;
      readonly was: { readonly bytes: number; readonly modifiedMs: number } | 'unknown';
      readonly is: { readonly bytes: number; readonly modifiedMs: number } | 'gone';
    }
  | {
      readonly kind: 'timeout';
      readonly limitMs: number;
      /** Stacks of all threads when it hung. */ readonly stacks?: string;
    }
  | { readonly kind: 'overhead-timeout'; readonly limitMs: number; readonly stacks?: string }
  | {
      readonly kind: 'worker-lost';
      readonly exit: ExitFacts;
      /** Native or faulthandler trace, last bytes of stderr. */ readonly trace?: string;
    }
  | { readonly kind: 'protocol-error'; readonly detail: string }
  | { readonly kind: 'node-lost'; readonly node: string }
  | { readonly kind: 'canceled' };

/** What else is known of a failed try. */
export interface Circumstances {
  /** Position in the mini-batch of the item that was under way, where the host marked it or the failure names it. */
  readonly item?: number;
  /** Highest resident memory of the worker process and what it started that was seen, bytes. */
  readonly peakMemoryBytes?: number;
  /** The last lines that the try printed, standard output and error together as far as their order is known. */
  readonly lastLines?: readonly string[];
}

/** Why a worker process didn't become ready. */
export type StartFailure =
  | ({ readonly kind: 'load-exception' } & ExceptionFacts)
  | { readonly kind: 'load-timeout'; readonly limitMs: number; readonly stacks?: string }
  | ({ readonly kind: 'init-exception' } & ExceptionFacts)
  | { readonly kind: 'init-timeout'; readonly limitMs: number; readonly stacks?: string }
  | { readonly kind: 'exit'; readonly stage: 'load' | 'init'; readonly exit: ExitFacts; readonly trace?: string }
  | { readonly kind: 'spawn'; readonly command: string; readonly reason: string }
  | {
      readonly kind: 'no-run-function';
      readonly file: string;
      /** Names the module does define, for a hint. */ readonly defined: readonly string[];
    }
  | { readonly kind: 'protocol-error'; readonly detail: string };

/** Why a run ended as Failed (or stopped): one reason each. */
export type RunFailure =
  | { readonly kind: 'error-threshold'; readonly limit: number; readonly failedItems: number }
  | { readonly kind: 'mini-batch-error-threshold'; readonly limit: number; readonly failedMiniBatches: number }
  | {
      readonly kind: 'failed-percent';
      readonly limitPercent: number;
      readonly failedMiniBatches: number;
      readonly totalMiniBatches: number;
    }
  | { readonly kind: 'nothing-succeeded'; readonly miniBatches: number }
  | {
      readonly kind: 'init-failed';
      readonly rule: 'everywhere-the-same' | 'budget' | 'no-node-left';
      readonly failures: number;
      readonly example: StartFailure;
    }
  | { readonly kind: 'all-in-init'; readonly limitMs: number }
  | { readonly kind: 'no-progress'; readonly limitMs: number; readonly inFlight: number }
  | { readonly kind: 'first-mini-batch-timeout'; readonly limitMs: number }
  | {
      readonly kind: 'empty-input';
      /** Rows that were there: the transformations of an MLTable left none. */ readonly rows?: number;
    }
  | {
      readonly kind: 'creation-failed';
      readonly reason: string;
      readonly path?: string;
      /** Code of the problem behind it. */ readonly code?: string;
      /** The run was resumed and listed its input again: it may go on once that can be listed. */
      readonly resumable?: true;
      /** It lies elsewhere and could not be fetched to its end. */
      readonly fetching?: true;
    }
  /** The run was resumed, listed its input again, and found another one. It goes on when told so. Paths absolute, a few. */
  | {
      readonly kind: 'input-differs';
      readonly added: { readonly count: number; readonly examples: readonly string[] };
      readonly removed: { readonly count: number; readonly examples: readonly string[] };
    }
  | { readonly kind: 'infra-exhausted'; readonly index: number; readonly losses: number }
  | { readonly kind: 'output-failed'; readonly reason: string; readonly path: string }
  | { readonly kind: 'disk-full'; readonly path: string }
  | { readonly kind: 'internal'; readonly message: string; readonly stack?: string };

/** Status words of contract 3.2, in `processed_mini-batches.csv` and the worker logs. */
export type StatusWord =
  | 'LOAD_DONE'
  | 'LOAD_EXCEPTION'
  | 'LOAD_TIMEOUT'
  | 'INIT_DONE'
  | 'INIT_EXCEPTION'
  | 'INIT_TIMEOUT'
  | 'RUN_DONE'
  | 'RUN_EXCEPTION'
  | 'RUN_TIMEOUT'
  | 'RUN_INVALID_RETURN'
  | 'PROCESS_LOST'
  | 'NODE_LOST'
  | 'POISONED'
  | 'CANCELED'
  | 'SHUTDOWN_DONE'
  | 'SHUTDOWN_EXCEPTION'
  | 'SHUTDOWN_TIMEOUT';

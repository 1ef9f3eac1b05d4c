/** What the orchestrator needs of the parts around it; `sdk/compose.ts` brings the real ones. */
import type { CoreState } from '../core/types.ts';
import type { OutputAssembled, RunEvent, SpoolExtent } from '../domain/event.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import type { Clock, Engine } from '../domain/ports.ts';
import type { Plan } from '../domain/plan.ts';
import type { FailpointPort } from './failpoint.ts';
import type { RunFailure, TryFailure } from '../domain/failure.ts';

export interface Draft {
  readonly source: MiniBatchSource;
  readonly items: number;
}

/** The stored list of mini-batches; position = index. */
export interface ManifestPort {
  append(drafts: readonly Draft[]): void;
  /** Resolves when all that was appended is readable; `durable` also when it is on the disk. */
  flush(durable: boolean): Promise<void>;
  /** JSON bytes of the source and the number of items. Only below what has been flushed. */
  read(index: MiniBatchIndex): { readonly source: Uint8Array; readonly items: number };
}

export interface LedgerPort {
  /** Resolves when the events are on the disk, all or none. */
  commit(events: readonly RunEvent[]): Promise<void>;
}

/** Rows of one hand-out: bytes, or the part file a worker wrote. */
export type OneRowsPiece =
  | { readonly bytes: Uint8Array; readonly rows: number }
  | { readonly part: string; readonly length: number; readonly rows: number };

/** Rows of one mini-batch; of several parts, one behind the other, where it was narrowed down. */
export type RowsPiece = OneRowsPiece | { readonly pieces: readonly OneRowsPiece[]; readonly rows: number };

export interface SpoolPort {
  /** Resolves when all pieces are on the disk, one behind the other, an extent for each. After a failure it may be called again. */
  write(pieces: readonly RowsPiece[]): Promise<readonly SpoolExtent[]>;
  releasePart(path: string): Promise<void>;
}

export interface OrchestratorParts {
  readonly plan: Plan;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly ledger: LedgerPort;
  readonly spool: SpoolPort;
  readonly manifest: ManifestPort;
  /** Mini-batches that are not in the manifest yet. */
  readonly drafts: AsyncIterable<readonly Draft[]>;
  /** No more of them is wanted: what waits for one is to be told that there is none. */
  readonly dropDrafts?: () => void;
  /** Where the run goes on; absent for a new one. */
  readonly recovered?: CoreState;
  /**
   * Of a run that is resumed: whether the input of a mini-batch is still what it was. Asked before each hand-out;
   * synchronous. What it finds is the outcome of that mini-batch, which is then not handed out.
   */
  readonly checkInput?: (index: MiniBatchIndex, source: Uint8Array) => TryFailure | undefined;
  /** Turns what `drafts` threw into the reason of the run's end. */
  readonly creationFailure: (error: unknown) => RunFailure;
  /**
   * Makes the result from the spool. `partial`: the run failed or was canceled; what succeeded is written beside the
   * result's place under a name that says so. Undefined where there is nothing to write.
   */
  readonly assemble: (kind: 'whole' | 'partial') => Promise<Omit<OutputAssembled, 'type' | 'at'> | undefined>;
  /** For tests. */
  readonly failpoint?: FailpointPort | undefined;
  /** Shows events that are durable (and the few that are never stored), in order. Must not throw. */
  readonly publish: (events: readonly RunEvent[]) => void;
}

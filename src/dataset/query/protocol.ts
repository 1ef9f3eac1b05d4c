/** What is said between the orchestrator and the process that carries out a query. */
import type { QuerySpec } from '../../domain/plan.ts';

/** The first message to the process; there is no other. */
export interface QueryTask extends QuerySpec {
  /** New file for the rows; absent: the query is only looked at. */
  readonly target?: string;
  /** Folder for what doesn't fit into memory. */
  readonly temp: string;
}

export type QueryMessage =
  | { readonly type: 'progress'; readonly rows?: number; readonly percent?: number }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly failure: QueryFailure };

export interface QueryFailure {
  /** The driver isn't installed; the database can't be opened; the query is wrong or ended early. */
  readonly kind: 'driver' | 'open' | 'query';
  /** In the words of the driver or the system. */
  readonly message: string;
}

/** Thrown by the drivers' side. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
  readonly kind: QueryFailure['kind'];
  constructor(kind: QueryFailure['kind'], cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.kind = kind;
  }
}

/** What a driver needs beside the task. */
export type Tell = (message: QueryMessage) => void;

/** What is asked of a place with objects, whatever its kind. */
export interface RemoteObject {
  /** Whole name in its container, UTF-8. */
  readonly name: string;
  readonly size: number;
  /** Changes whenever the object does: its ETag where there is one. */
  readonly version: string;
  /** Epoch milliseconds; 0: not known. */
  readonly modifiedMs: number;
  /** The run that wrote it, where one did. */
  readonly writtenBy?: string;
}

export interface PutOptions {
  readonly size: number;
  /** Fail with `exists` where there is an object already. */
  readonly onlyNew: boolean;
  /** Kept with the object: which run wrote it. */
  readonly runId: string;
  readonly signal: AbortSignal;
}

/** Every function throws RemoteError, or the reason of its signal. None of them tries twice. */
export interface RemoteStore {
  /** Objects whose names begin with the prefix, page by page. */
  list(prefix: string, signal: AbortSignal, limit?: number): AsyncIterable<readonly RemoteObject[]>;
  /** @returns undefined where there is no such object */
  head(name: string, signal: AbortSignal): Promise<RemoteObject | undefined>;
  /** Bytes from an offset on, of exactly that version. */
  get(object: RemoteObject, from: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  put(name: string, file: string, options: PutOptions): Promise<void>;
}

/** Name below a bucket or container in which a run leaves its id with what it writes. */
export const RUN_METADATA = 'parallelrun';

/** Branded identifiers: none of them can stand in for another. */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Name of a run, and of its folder below the root. `^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`. */
export type RunId = Branded<string, 'RunId'>;
/** Position of a mini-batch in the order of the input, from 0. Never reused within a run. */
export type MiniBatchIndex = Branded<number, 'MiniBatchIndex'>;
/** The user's count of attempts at a mini-batch, from 1. Losses that are not the script's fault don't raise it. */
export type TryNumber = Branded<number, 'TryNumber'>;
/** Number of times a mini-batch was handed out, from 1. It fences late outcomes; only the core assigns it. */
export type DispatchNumber = Branded<number, 'DispatchNumber'>;
/** The advertised address of a node; the `<ip>` of the log folders. Unique per node of a run. */
export type NodeAddress = Branded<string, 'NodeAddress'>;
/** `<node address>/Process-<n>`; unique in a run, because n counts up with each restart on a node. */
export type WorkerId = Branded<string, 'WorkerId'>;
/** Wall-clock time in milliseconds since 1970 UTC, with a fraction where the source has one. */
export type EpochMs = Branded<number, 'EpochMs'>;

const RUN_ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** @returns the id, or undefined where the text can't be one. */
export function parseRunId(text: string): RunId | undefined {
  return RUN_ID_PATTERN.test(text) && !text.endsWith('.') ? (text as RunId) : undefined;
}
export const miniBatchIndex = (n: number): MiniBatchIndex => n as MiniBatchIndex;
export const tryNumber = (n: number): TryNumber => n as TryNumber;
export const dispatchNumber = (n: number): DispatchNumber => n as DispatchNumber;
export const nodeAddress = (text: string): NodeAddress => text as NodeAddress;
export const epochMs = (n: number): EpochMs => n as EpochMs;
export const workerId = (node: NodeAddress, process: number): WorkerId => `${node}/Process-${process}` as WorkerId;

/** Splits a worker id into the address of its node and its process name (`Process-3`). */
export function splitWorkerId(worker: WorkerId): { node: NodeAddress; process: string } {
  const cut = worker.lastIndexOf('/');
  return { node: worker.slice(0, cut) as NodeAddress, process: worker.slice(cut + 1) };
}

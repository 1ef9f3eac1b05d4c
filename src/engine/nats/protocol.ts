/** What orchestrator and nodes say beside the streams, as JSON. */
import type { NodeAddress } from '../../domain/ids.ts';
import type { Column, Plan } from '../../domain/plan.ts';

/** Raised where either side would misread the other. */
export const ENGINE_PROTOCOL = 1;

/** A node without a word for so long is given up. */
export const LEASE_MS = 15_000;
/** A node that had no answer for so long ends its workers: before the other side hands their work out again. */
export const FENCE_MS = 11_000;
export const BEAT_MS = 1_000;

/** In the bucket of runs. */
export interface Announcement {
  readonly protocol: number;
  readonly run: string;
  /** Differs each time an orchestrator begins. */
  readonly epoch: number;
  /** Nodes that it would still take. */
  readonly open: number;
}

export interface JoinRequest {
  readonly protocol: number;
  readonly version: string;
  readonly address: NodeAddress;
  readonly hostname: string;
  /** Of this agent: it may take its own place again at once. */
  readonly agent: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly gpus: number;
}

export type JoinAnswer =
  | {
      readonly ok: true;
      readonly session: number;
      readonly generation: number;
      /** Number of its first worker process. */
      readonly firstProcess: number;
    }
  | { readonly ok: false; readonly why: 'enough' | 'address' | 'version' | 'ending'; readonly text: string };

/** Node to orchestrator, each second, as a request. */
export interface Beat {
  readonly session: number;
  /** Of the orders: taken up to this number. */
  readonly taken: number;
  /** Orders behind that have come, and one in front of them has not. */
  readonly gap: boolean;
}

/** The answer. */
export interface Pulse {
  /** Of the reports. */
  readonly taken: number;
  readonly gap: boolean;
  /** Counts how often the streams were made. */
  readonly generation: number;
  /** The node was given up: what it does counts no more. */
  readonly dismissed?: true;
}

/** What a node must know of the run: the object `spec`. */
export interface RunSpec {
  readonly plan: Plan;
  readonly columns?: readonly Column[];
  /** Path of the script below the code; for TypeScript of what it was bundled to. */
  readonly script: string;
  /** Each node has as many processes as it has places for. */
  readonly processesByNode: boolean;
}

/** Names in the object store of a run. */
export const SPEC_OBJECT = 'spec';
export const CODE_OBJECT = 'code';

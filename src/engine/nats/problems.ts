import { ParallelRunError } from '../../domain/problem.ts';
import type { Problem } from '../../domain/problem.ts';
import { SERVER_MIN } from './names.ts';

export function refusal(problem: Omit<Problem, 'severity'>, cause?: unknown): ParallelRunError {
  return new ParallelRunError([{ severity: 'error', ...problem }], 2, { cause });
}

export const packageMissing = (name: string, cause: unknown): ParallelRunError =>
  refusal(
    {
      code: 'PR6002',
      what: `the engine needs the package ${name}, which is not installed`,
      why: messageOf(cause),
      next: 'npm install @nats-io/transport-node @nats-io/jetstream @nats-io/kv @nats-io/obj, on each host',
    },
    cause,
  );

export const notReached = (shown: string, cause: unknown): ParallelRunError =>
  refusal(
    {
      code: 'PR6003',
      what: `no broker answers at ${shown}`,
      why: messageOf(cause),
      next: 'start nats-server there (examples/cluster/nats.conf), or check host, port, credentials and TLS',
    },
    cause,
  );

export const tooOld = (shown: string, version: string): ParallelRunError =>
  refusal({
    code: 'PR6004',
    what: `the broker at ${shown} is nats-server ${version}; ${SERVER_MIN} is the oldest that is fit`,
    why: 'older ones lose or keep messages that they should not, and leave out settings without a word',
    next: `install nats-server ${SERVER_MIN} or newer`,
  });

export const withoutJetStream = (shown: string, cause: unknown): ParallelRunError =>
  refusal(
    {
      code: 'PR6005',
      what: `the broker at ${shown} can't keep streams`,
      why: messageOf(cause),
      next: 'switch JetStream on in its configuration (jetstream { store_dir: ... }), and let the credential use it',
    },
    cause,
  );

export const withoutLogin = (shown: string): ParallelRunError =>
  refusal({
    code: 'PR6006',
    what: `the broker at ${shown} lets anyone in`,
    why: 'whoever reaches it could run code on every node',
    next: 'give it users and TLS (docs/clusters.md), let it listen on loopback, or say that you know: nats://host:4222?insecure',
  });

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

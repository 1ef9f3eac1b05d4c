import type { RunFailure } from '../domain/failure.ts';
import { isDiskFull } from './patience.ts';

/** Why nothing more can be stored below `path`. */
export function commitFailure(error: unknown, path: string): RunFailure {
  return isDiskFull(error) ? { kind: 'disk-full', path } : { kind: 'output-failed', path, reason: messageOf(error) };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

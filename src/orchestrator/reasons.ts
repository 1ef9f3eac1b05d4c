import type { RunFailure } from '../domain/failure.ts';
import { isDiskFull } from './patience.ts';

/** A result that can't be put where it is to go, which isn't the place it was written to. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
  /** Where it was to go. */
  readonly path: string;
  constructor(message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** Why nothing more can be stored below `path`. */
export function commitFailure(error: unknown, path: string): RunFailure {
  if (error instanceof OutputError) return { kind: 'output-failed', path: error.path, reason: error.message };
  return isDiskFull(error) ? { kind: 'disk-full', path } : { kind: 'output-failed', path, reason: messageOf(error) };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

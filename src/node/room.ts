/**
 * A full disk of the node is waited for. A worker that can't be started for it would count as a script that can't be
 * loaded, a try that fails for it would use up one of the script's.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RunWarning } from '../domain/event.ts';
import type { FailedMessage } from '../domain/protocol.ts';

/** A disk that was full is looked at again after this. */
const AGAIN_MS = 1_000;
/** More than one block: the first few bytes may fit where nothing else does. */
const PROBE_BYTES = 16 * 1024;

type Warning = Extract<RunWarning['warning'], { kind: 'disk-full' }>;

/** Whether there is room for the folders and files of one more worker. */
export class Room {
  readonly #folders: readonly string[];
  readonly #warn: (warning: Warning) => void;
  #full: string | undefined;
  #lookedAt = -Infinity;

  /** @param folders in which a worker has files from its start on */
  constructor(folders: readonly string[], warn: (warning: Warning) => void) {
    this.#folders = folders;
    this.#warn = warn;
  }

  /** As far as is known, without a look. */
  get wasFull(): boolean {
    return this.#full !== undefined;
  }

  /** Tries it. @param now monotonic ms */
  has(now: number): boolean {
    if (this.#full !== undefined && now - this.#lookedAt < AGAIN_MS) return false;
    this.#lookedAt = now;
    const full = this.#folders.find((folder) => isFull(folder));
    if (full !== undefined) {
      if (this.#full === undefined) this.#warn({ kind: 'disk-full', path: full, waiting: true });
      this.#full ??= full;
      return false;
    }
    if (this.#full !== undefined) this.#warn({ kind: 'disk-full', path: this.#full, waiting: false });
    this.#full = undefined;
    return true;
  }
}

const NO_SPACE = /\bENOSPC\b|\bEDQUOT\b|No space left on device|Disk quota exceeded/;

/** Whether the error, or one behind it, speaks of a full disk; of which one nobody knows. */
export function lacksSpace(error: FailedMessage['error']): boolean {
  if (error.kind === 'input-error' || error.kind === 'invalid-return') return false;
  return NO_SPACE.test(error.message) || NO_SPACE.test(error.traceback);
}

/** Only for want of space: what else is wrong with a folder the start itself will tell. */
function isFull(folder: string): boolean {
  let probe: string | undefined;
  try {
    probe = mkdtempSync(`${folder}/.room-`);
    writeFileSync(`${probe}/file`, new Uint8Array(PROBE_BYTES));
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOSPC' || code === 'EDQUOT';
  } finally {
    if (probe !== undefined) rmSync(probe, { recursive: true, force: true });
  }
}

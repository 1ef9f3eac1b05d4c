/**
 * The file in which a worker host marks the item under way (`AgentHello.markFile`): it is mapped into the host's memory,
 * so a mark costs no system call, and outlives the process whatever ends it.
 */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { MARK_BYTES, markedItem } from './item.ts';
import type { Handed } from './slot.ts';

export class MarkFile {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @returns undefined where it can't be made: a worker does without it. */
  static create(path: string): MarkFile | undefined {
    try {
      const fd = openSync(path, 'w', 0o600);
      try {
        // real zeros, not a hole: a mapped hole on a disk that is full kills whoever writes to it
        if (writeSync(fd, new Uint8Array(MARK_BYTES)) === MARK_BYTES) return new MarkFile(path);
      } finally {
        closeSync(fd);
      }
      rmSync(path, { force: true });
    } catch {
      // a full disk: see above
    }
    return undefined;
  }

  /** The item of this hand-out that was under way when its process died, where it was marked. */
  read(of: Handed): number | undefined {
    try {
      return markedItem(readFileSync(this.path), of);
    } catch {
      return undefined;
    }
  }

  remove(): void {
    try {
      rmSync(this.path, { force: true });
    } catch {
      // 16 bytes that stay
    }
  }
}

/**
 * What a file looked like when it was listed: size, time of the last change, inode. Enough to tell later that it was
 * changed or replaced, without reading it.
 */
import { statSync, statfsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { forFs } from './bytepath.ts';
import type { BytePath } from './bytepath.ts';
import { errnoOf } from './error.ts';

export interface FileStamp {
  /** -1: the file could not be looked at, nothing is known. */
  readonly bytes: number;
  /** Epoch milliseconds with a fraction, as the system gives it. */
  readonly modifiedMs: number;
  /** As a double: of larger numbers the low bits are lost, always the same ones. */
  readonly inode: number;
}

export const UNKNOWN: FileStamp = { bytes: -1, modifiedMs: 0, inode: 0 };

export const isKnown = (stamp: FileStamp): boolean => stamp.bytes >= 0;

/**
 * File systems whose inode numbers are made up anew when they are mounted again: FUSE (and virtiofs), 9p, CIFS, SMB,
 * FAT, exFAT, shared folders of VirtualBox and VMware. There a number says nothing.
 */
const PASSING_INODES: ReadonlySet<number> = new Set([
  0x65735546, 0x01021997, 0xff534d42, 0xfe534d42, 0x4d44, 0x2011bab0, 0x786f4256, 0xbacbacbc,
]);

/** Whether the inode numbers of files below a folder mean anything from one mount to the next. */
export function keepsInodes(folder: BytePath): boolean {
  try {
    // Some systems give the number as a signed one.
    return !PASSING_INODES.has(statfsSync(forFs(folder)).type >>> 0);
  } catch {
    return false;
  }
}

/** Never of a file of which nothing is known. @param inodes whether they mean anything */
export function differs(was: FileStamp, is: FileStamp, inodes: boolean): boolean {
  if (!isKnown(was) || !isKnown(is)) return false;
  return was.bytes !== is.bytes || was.modifiedMs !== is.modifiedMs || (inodes && was.inode !== is.inode);
}

/** What a file looks like now. `UNKNOWN` where it can't be looked at: the script will find out why. */
export function stampOf(path: BytePath): FileStamp | 'gone' {
  try {
    const stats = statSync(forFs(path), { throwIfNoEntry: false });
    return stats === undefined ? 'gone' : fromStats(stats);
  } catch (error) {
    return fromError(error);
  }
}

async function stampOfSlowly(path: BytePath): Promise<FileStamp | 'gone'> {
  try {
    return fromStats(await stat(forFs(path)));
  } catch (error) {
    return fromError(error);
  }
}

function fromStats({ size, mtimeMs, ino }: Stats): FileStamp {
  return { bytes: size, modifiedMs: mtimeMs, inode: ino };
}

function fromError(error: unknown): FileStamp | 'gone' {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR' ? 'gone' : UNKNOWN;
}

/**
 * A local file system answers within some microseconds, one on the network in hundreds. Such a one is asked beside other
 * work, which costs ten times the processor's time a file: a machine that is only busy must not be taken for it.
 */
const SLOW_US = 200;
/** So many are asked in a row before it is judged; fewer say nothing. */
const MEASURED = 16;
const AT_ONCE = 64;

/** Looks at many files: in one go where that is fast, and without holding up the process where it isn't. */
export class Stamper {
  #slow = false;

  async stamps(paths: readonly BytePath[]): Promise<(FileStamp | 'gone')[]> {
    const found: (FileStamp | 'gone')[] = [];
    while (found.length < paths.length) {
      if (this.#slow && found.length > 0) {
        const some = paths.slice(found.length, found.length + AT_ONCE);
        found.push(...(await Promise.all(some.map(stampOfSlowly))));
      } else this.#inARow(paths, found);
    }
    return found;
  }

  /**
   * Also where it was slow some are asked in a row each time: it may be slow no more. Most must be slow: a busy machine
   * makes one take milliseconds, between two of its turns.
   */
  #inARow(paths: readonly BytePath[], found: (FileStamp | 'gone')[]): void {
    const end = Math.min(paths.length, found.length + MEASURED);
    const count = end - found.length;
    let slow = 0;
    for (let i = found.length, from = performance.now(); i < end; i++) {
      found.push(stampOf(paths[i] as BytePath));
      const now = performance.now();
      if ((now - from) * 1000 > SLOW_US) slow += 1;
      from = now;
    }
    if (count === MEASURED) this.#slow = 2 * slow > count;
  }
}

/** `--rebuild`: which mini-batches have lost their rows with the spool, or a part of it. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from '../domain/crc32.ts';
import type { RebuiltMiniBatch, TryFinished } from '../domain/event.ts';
import type { RunLayout } from '../domain/layout.ts';
import { readLedger } from '../ledger/index.ts';
import { ExtentTable } from '../output/index.ts';

const { O_CREAT, O_RDWR } = constants;
const WINDOW_BYTES = 256 * 1024;

/** Reads every committed row; changes nothing. @returns ascending by index */
export async function findLost(layout: RunLayout): Promise<readonly RebuiltMiniBatch[]> {
  const extents = new ExtentTable();
  for await (const events of readLedger(layout.ledger)) {
    for (const event of events) {
      if (event.type === 'run-resumed')
        for (const { index } of [...event.retried, ...(event.rebuilt ?? [])]) extents.clear(index);
      else if (event.type === 'try-finished' && event.rows) extents.set(event.index, event.rows);
    }
  }
  const lost = await lostExtents(layout.spool, extents);
  return lost.size === 0 ? [] : countsOf(layout, lost);
}

async function lostExtents(path: string, extents: ExtentTable): Promise<Set<number>> {
  const lost = new Set<number>();
  const spool = await open(path, 'r').catch(goneIsEmpty);
  try {
    const window = spool && new Window(spool);
    for (const { index, offset, bytes, crc32: wanted } of extents.inOrder())
      if ((await window?.crc(offset, bytes)) !== wanted) lost.add(index);
    return lost;
  } finally {
    await spool?.close();
  }
}

/** What the lost ones had counted, from their last end in the ledger. */
async function countsOf(layout: RunLayout, lost: ReadonlySet<number>): Promise<RebuiltMiniBatch[]> {
  const ends = new Map<number, RebuiltMiniBatch>();
  for await (const events of readLedger(layout.ledger))
    for (const event of events)
      if (event.type === 'try-finished' && event.rows && lost.has(event.index)) ends.set(event.index, counts(event));
  return [...ends.values()].sort((a, b) => a.index - b.index);
}

function counts({ index, items, dispatch, failed, rows, succeeded }: TryFinished): RebuiltMiniBatch {
  return { index, items, dispatch, failedItems: failed, returned: rows?.rows ?? succeeded };
}

/**
 * Makes the spool as long as what was committed: lost rows become a hole that nobody reads, and what is written from
 * now on lies behind it, so that no place of the spool is ever named twice in the ledger.
 */
export async function closeGaps(layout: RunLayout, end: number): Promise<void> {
  const spool = await open(layout.spool, O_RDWR | O_CREAT, 0o600);
  try {
    if ((await spool.stat()).size < end) await spool.truncate(end);
    await spool.sync();
  } finally {
    await spool.close();
  }
}

function goneIsEmpty(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}

/** A window of the spool, which is read mostly forwards. */
class Window {
  private readonly file: FileHandle;
  private readonly buffer = Buffer.allocUnsafe(WINDOW_BYTES);
  private from = 0;
  private filled = 0;

  constructor(file: FileHandle) {
    this.file = file;
  }

  /** Checksum of `bytes` bytes from `at` on; undefined where the file doesn't have them. */
  async crc(at: number, bytes: number): Promise<number | undefined> {
    let crc = 0;
    for (let done = 0; done < bytes;) {
      const position = at + done;
      if (position < this.from || position >= this.from + this.filled) {
        this.from = position;
        this.filled = (await this.file.read(this.buffer, 0, WINDOW_BYTES, position)).bytesRead;
        if (this.filled === 0) return undefined;
      }
      const start = position - this.from;
      const piece = this.buffer.subarray(start, Math.min(this.filled, start + bytes - done));
      crc = crc32(piece, crc);
      done += piece.length;
    }
    return crc;
  }
}

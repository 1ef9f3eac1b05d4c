/**
 * The ledger file: a magic line, then frames of `u32 LE payload length, u32 LE CRC-32 of the payload, payload`;
 * the payload is a JSON array of records. A frame is one group commit: whole or not there. What follows the last
 * whole frame is a torn tail of a crash and is cut off by the next writer.
 */
import { checksum } from './checksum.ts';
import type { LedgerRecord } from './codec.ts';

export const MAGIC = 'parallelrun-ledger 1\n';
const HEAD_BYTES = 8;
/** Holds most frames. */
const SCRATCH_BYTES = 64 * 1024;
/** A frame longer than this is not ours. */
const FRAME_BYTES_MAX = 256 * 1024 * 1024;

/** Makes frames in one buffer of its own, again and again: a frame is valid until the next one is made. */
export class FrameEncoder {
  private scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

  encode(records: readonly LedgerRecord[]): Buffer {
    const json = JSON.stringify(records);
    const length = Buffer.byteLength(json);
    if (HEAD_BYTES + length > this.scratch.length) this.scratch = Buffer.allocUnsafeSlow(2 * (HEAD_BYTES + length));
    const frame = this.scratch.subarray(0, HEAD_BYTES + length);
    frame.write(json, HEAD_BYTES);
    frame.writeUInt32LE(length, 0);
    frame.writeUInt32LE(checksum(frame, HEAD_BYTES, frame.length), 4);
    return frame;
  }
}

export type FrameScan =
  /** Its payload is the bytes from `from` up to, not including, `to`, where the next frame starts. */
  | { readonly kind: 'frame'; readonly from: number; readonly to: number }
  /** Fewer bytes than a whole frame: more may come, or the tail is torn. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'corrupt' };

/** Looks for the frame that starts at `at`, in the bytes before `end`, and checks it. */
export function findFrame(bytes: Buffer, at = 0, end = bytes.length): FrameScan {
  if (end - at < HEAD_BYTES) return { kind: 'incomplete' };
  const length = bytes.readUInt32LE(at);
  if (length < 2 || length > FRAME_BYTES_MAX) return { kind: 'corrupt' };
  const from = at + HEAD_BYTES;
  const to = from + length;
  if (to > end) return { kind: 'incomplete' };
  if (checksum(bytes, from, to) !== bytes.readUInt32LE(at + 4)) return { kind: 'corrupt' };
  return { kind: 'frame', from, to };
}

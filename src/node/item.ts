/** Which item of a hand-out was under way. Pure. */
import type { Handed } from './slot.ts';

/** Size of a mark file. */
export const MARK_BYTES = 16;

/** u32 LE each: dispatch, index, position. A mark of another hand-out, zeros and scribbles say nothing. Pure. */
export function markedItem(bytes: Uint8Array, of: Handed): number | undefined {
  if (bytes.length < MARK_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== of.dispatch || view.getUint32(4, true) !== of.index) return undefined;
  return itemOf(of, view.getUint32(8, true));
}

/** A position that a worker named, where the hand-out has such an item. */
export function itemOf({ items, part }: Handed, position: number | undefined): number | undefined {
  if (position === undefined) return undefined;
  return position >= (part?.from ?? 0) && position < (part?.to ?? items) ? position : undefined;
}

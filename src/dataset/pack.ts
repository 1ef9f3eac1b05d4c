/** Mini-batches as they are stored: the bytes of their lines, index entries and stamps. */
import type { MiniBatchDraft } from './draft.ts';
import { ENTRY_BYTES, writeEntry } from './manifestformat.ts';
import { STAMP_BYTES, writeStamp } from './stampformat.ts';

/** How much a manifest holds: mini-batches, bytes of their lines, and stamps. */
export interface ManifestEnd {
  readonly count: number;
  readonly bytes: number;
  readonly stamps: number;
}

export interface PackedDrafts {
  readonly lines: Uint8Array;
  readonly entries: Uint8Array;
  readonly stamps: Uint8Array;
  /** Of the manifest, with these behind what it held. */
  readonly end: ManifestEnd;
}

/** @param from what the manifest holds */
export function packDrafts(drafts: readonly MiniBatchDraft[], from: ManifestEnd): PackedDrafts {
  const entries = Buffer.allocUnsafeSlow(drafts.length * ENTRY_BYTES);
  let text = '';
  let offset = from.bytes;
  for (const [i, draft] of drafts.entries()) {
    // lone surrogates come out as escapes: the line is UTF-8 whatever the file names hold
    const line = JSON.stringify(draft.source);
    text += `${line}\n`;
    const length = Buffer.byteLength(line);
    writeEntry(entries, i * ENTRY_BYTES, { offset, length, items: draft.items });
    offset += length + 1;
  }
  const lines = Buffer.allocUnsafeSlow(offset - from.bytes);
  lines.write(text);
  const stamps = packStamps(drafts, from.count);
  const end = {
    count: from.count + drafts.length,
    bytes: offset,
    stamps: from.stamps + stamps.length / STAMP_BYTES,
  };
  return { lines, entries, stamps, end };
}

function packStamps(drafts: readonly MiniBatchDraft[], from: number): Buffer {
  const count = drafts.reduce((sum, { stamps }) => sum + (stamps?.length ?? 0), 0);
  const bytes = Buffer.allocUnsafeSlow(count * STAMP_BYTES);
  let at = 0;
  for (const [i, { stamps }] of drafts.entries()) {
    if (!stamps) continue;
    for (const stamp of stamps) {
      writeStamp(bytes, at, from + i, stamp);
      at += STAMP_BYTES;
    }
  }
  return bytes;
}

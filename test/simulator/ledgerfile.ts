/** Ledger on a simulated file: frames and records by the real codec; reader and writer follow src/ledger. */
import { Encoder } from '../../src/ledger/codec.ts';
import type { LedgerRecord } from '../../src/ledger/codec.ts';
import { Decoder } from '../../src/ledger/decoder.ts';
import { FrameEncoder, MAGIC, findFrame } from '../../src/ledger/frames.ts';
import type { RunEvent } from '../../src/domain/event.ts';
import type { SimFile } from './disk.ts';

const shared = new FrameEncoder();

export class LedgerModel {
  private readonly encoder = new Encoder();
  readonly file: SimFile;
  end: number;

  constructor(file: SimFile, end: number) {
    this.file = file;
    this.end = end;
  }

  frame(events: readonly RunEvent[]): Uint8Array {
    const records: LedgerRecord[] = [];
    for (const event of events) this.encoder.encode(event, records);
    return Uint8Array.from(shared.encode(records));
  }
}

export function createLedger(file: SimFile): void {
  file.write(0, Buffer.from(MAGIC, 'latin1'));
  file.sync();
}

export interface LedgerRead {
  readonly events: RunEvent[];
  readonly wholeBytes: number;
  readonly tail: 'none' | 'torn' | 'damaged';
}

export function readLedgerFile(file: SimFile): LedgerRead {
  const { bytes, size } = file.cache;
  const decoder = new Decoder(false);
  const events: RunEvent[] = [];
  let at = MAGIC.length;
  for (;;) {
    const scan = findFrame(bytes, at, size);
    if (scan.kind !== 'frame') break;
    decoder.decode(bytes, scan.from, scan.to, events);
    at = scan.to;
  }
  return { events, wholeBytes: at, tail: tailOf(bytes.subarray(at, size)) };
}

/** As LedgerReader.tail. */
function tailOf(rest: Buffer): LedgerRead['tail'] {
  if (rest.length === 0) return 'none';
  if (rest.length < 8 || rest.every((byte) => byte === 0)) return 'torn';
  return hasFrame(rest) ? 'damaged' : 'torn';
}

/** A payload is a JSON array: few offsets are worth a checksum. */
function hasFrame(rest: Buffer): boolean {
  for (let at = rest.indexOf('[', 9); at >= 8; at = rest.indexOf('[', at + 1)) {
    if (findFrame(rest, at - 8).kind === 'frame') return true;
  }
  return false;
}

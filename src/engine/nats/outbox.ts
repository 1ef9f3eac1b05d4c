/** What a node has to tell, in order, until it becomes messages. Files are read when their turn comes. */
import type { EngineEvent } from '../../domain/ports.ts';
import { encodeReports, MESSAGE_BYTES, PIECE_BYTES, weightOf } from './wire.ts';
import type { Report } from './wire.ts';

/** A file, or what was added to it, that is to be brought to the run folder. */
export interface FileToBring {
  /** Relative to the run folder. */
  readonly path: string;
  /** Position in the file at which `read` begins. */
  readonly from: number;
  /** At most so many bytes from there; empty at its end, undefined where it is there no more. */
  readonly read: (at: number, bytes: number) => Uint8Array | undefined;
  /** It has been read to its end, or is gone. */
  readonly done: () => void;
}

type Entry =
  | { readonly kind: 'events'; readonly events: EngineEvent[]; bytes: number }
  | { readonly kind: 'file'; readonly file: FileToBring; at: number }
  | { readonly kind: 'report'; readonly report: Report; readonly bytes: number };

export class Outbox {
  #entries: Entry[] = [];
  #isEnding = false;
  onAdded: () => void = () => undefined;

  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }
  /** The last has been told. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  events(events: readonly EngineEvent[]): void {
    for (const event of events) {
      const bytes = weightOf(event);
      const last = this.#entries.at(-1);
      if (last?.kind === 'events' && last.bytes + bytes <= MESSAGE_BYTES) {
        last.events.push(event);
        last.bytes += bytes;
      } else {
        this.#entries.push({ kind: 'events', events: [event], bytes });
      }
    }
    this.onAdded();
  }

  log(path: string, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      this.#report(
        { m: 'log', path, bytes: bytes.subarray(at, at + PIECE_BYTES) },
        Math.min(PIECE_BYTES, bytes.length),
      );
    }
  }

  file(file: FileToBring): void {
    this.#entries.push({ kind: 'file', file, at: file.from });
    this.onAdded();
  }

  gone(path: string): void {
    this.#report({ m: 'gone', path }, 64);
  }

  note(text: string): void {
    this.#report({ m: 'note', text }, text.length);
  }

  /** Nothing follows. */
  bye(why?: string): void {
    this.#isEnding = true;
    this.#report({ m: 'bye', ...(why !== undefined && { why }) }, 64);
  }

  #report(report: Report, bytes: number): void {
    this.#entries.push({ kind: 'report', report, bytes });
    this.onAdded();
  }

  /** The next message, as frames; undefined: nothing waits. */
  next(): Uint8Array | undefined {
    const reports: Report[] = [];
    let bytes = 0;
    while (bytes < MESSAGE_BYTES) {
      const [entry] = this.#entries;
      if (!entry) break;
      if (entry.kind === 'file') {
        const piece = this.#piece(entry);
        if (piece) reports.push(piece);
        bytes += (piece?.bytes.length ?? 0) + 64;
        continue;
      }
      if (bytes > 0 && bytes + entry.bytes > MESSAGE_BYTES) break;
      this.#entries.shift();
      bytes += entry.bytes;
      reports.push(entry.kind === 'events' ? { m: 'events', events: entry.events } : entry.report);
    }
    return reports.length === 0 ? undefined : encodeReports(reports);
  }

  #piece(entry: Extract<Entry, { kind: 'file' }>): Extract<Report, { m: 'piece' }> | undefined {
    const { file, at } = entry;
    const bytes = file.read(at, PIECE_BYTES);
    const last = bytes === undefined || bytes.length < PIECE_BYTES;
    if (last) {
      this.#entries.shift();
      file.done();
    }
    if (!bytes) return undefined;
    entry.at += bytes.length;
    return { m: 'piece', path: file.path, at, bytes, last };
  }
}

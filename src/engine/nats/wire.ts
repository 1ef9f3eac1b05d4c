/**
 * Messages of the engine as bytes: `u32 LE session, u32 LE number`, then frames as workers have them. What is bytes
 * already (rows, sources, pieces of files) travels as the body of its frame.
 */
import { FrameDecoder, FrameError, encodeFrames } from '../../domain/frame.ts';
import type { Assignment, EngineEvent } from '../../domain/ports.ts';

const PREFIX_BYTES = 8;
/** What a message aims at. A single frame may be larger, up to what fits a message of the broker. */
export const MESSAGE_BYTES = 256 * 1024;
/** Pieces in which files travel. */
export const PIECE_BYTES = 256 * 1024;

/** Orchestrator to node. */
export type Order =
  | { readonly m: 'work'; readonly assignments: readonly Assignment[] }
  | { readonly m: 'stop'; readonly how: 'orderly' | 'now' };

/** Node to orchestrator. */
export type Report =
  | { readonly m: 'events'; readonly events: readonly EngineEvent[] }
  /** Text for a log file. */
  | { readonly m: 'log'; readonly path: string; readonly bytes: Uint8Array }
  /** A piece of a file, relative to the run folder. `at` 0 begins it anew; `last`: nothing of it follows. */
  | {
      readonly m: 'piece';
      readonly path: string;
      readonly at: number;
      readonly bytes: Uint8Array;
      readonly last: boolean;
    }
  /** A file that was brought is there no more. */
  | { readonly m: 'gone'; readonly path: string }
  /** For a person, such as how far an environment is. */
  | { readonly m: 'note'; readonly text: string }
  /** No process of the run is left on the node, and nothing follows. */
  | { readonly m: 'bye'; readonly why?: string };

interface Part {
  readonly header: object;
  readonly body: Uint8Array;
}

const EMPTY = new Uint8Array(0);

export function encodeMessage(session: number, number: number, frames: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES + frames.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, session, true);
  view.setUint32(4, number, true);
  bytes.set(frames, PREFIX_BYTES);
  return bytes;
}

/** @throws FrameError on what is no message of ours */
export function decodeMessage(bytes: Uint8Array): {
  readonly session: number;
  readonly number: number;
  readonly frames: Uint8Array;
} {
  if (bytes.length < PREFIX_BYTES) throw new FrameError(`message of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  return { session: view.getUint32(0, true), number: view.getUint32(4, true), frames: bytes.subarray(PREFIX_BYTES) };
}

export function encodeOrders(orders: readonly Order[]): Uint8Array {
  return encodeFrames(orders.map(orderPart));
}

export function encodeReports(reports: readonly Report[]): Uint8Array {
  return encodeFrames(reports.map(reportPart));
}

/** @throws FrameError on frames that break the protocol */
export function decodeOrders(frames: Uint8Array): Order[] {
  return parts(frames).map(({ header, body }) => {
    const order = header as unknown as Order | { m: 'work'; assignments: (Assignment & { bytes: number })[] };
    if (order.m !== 'work') return order;
    let at = 0;
    const assignments = (order.assignments as (Assignment & { readonly bytes: number })[]).map(({ bytes, ...rest }) => {
      const source = body.subarray(at, at + bytes);
      at += bytes;
      return { ...rest, source };
    });
    return { m: 'work', assignments };
  });
}

/** @throws FrameError on frames that break the protocol */
export function decodeReports(frames: Uint8Array): Report[] {
  return parts(frames).map(({ header, body }) => {
    const report = header as unknown as Report;
    if (report.m === 'log' || report.m === 'piece') return { ...report, bytes: body };
    if (report.m !== 'events') return report;
    let at = 0;
    for (const event of report.events) {
      if (event.type !== 'try-outcome' || !event.result.ok) continue;
      const { result } = event as { result: { rows: unknown } };
      if (typeof result.rows !== 'number') continue;
      result.rows = body.subarray(at, (at += result.rows));
    }
    return report;
  });
}

function orderPart(order: Order): Part {
  if (order.m !== 'work') return { header: order, body: EMPTY };
  const assignments = order.assignments.map(({ source, ...rest }) => ({ ...rest, bytes: source.length }));
  return { header: { m: 'work', assignments }, body: joined(order.assignments.map(({ source }) => source)) };
}

function reportPart(report: Report): Part {
  if (report.m === 'log' || report.m === 'piece') {
    const { bytes, ...header } = report;
    return { header, body: bytes };
  }
  if (report.m !== 'events') return { header: report, body: EMPTY };
  const bodies: Uint8Array[] = [];
  const events = report.events.map((event) => {
    if (event.type !== 'try-outcome' || !event.result.ok || !(event.result.rows instanceof Uint8Array)) return event;
    bodies.push(event.result.rows);
    return { ...event, result: { ...event.result, rows: event.result.rows.length } };
  });
  return { header: { m: 'events', events }, body: joined(bodies) };
}

function parts(frames: Uint8Array): { header: Record<string, unknown>; body: Uint8Array }[] {
  const decoder = new FrameDecoder();
  decoder.push(frames);
  const found: { header: Record<string, unknown>; body: Uint8Array }[] = [];
  for (let frame = decoder.next(); frame; frame = decoder.next())
    found.push({ header: frame.header, body: frame.body });
  if (decoder.pending > 0) throw new FrameError('message is cut');
  return found;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const [only] = pieces;
  if (pieces.length < 2) return only ?? EMPTY;
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** About what an event takes on the wire, without asking JSON. */
export function weightOf(event: EngineEvent): number {
  if (event.type !== 'try-outcome' || !event.result.ok) return 2048;
  const { rows } = event.result;
  return 512 + (rows instanceof Uint8Array ? rows.length : 0);
}

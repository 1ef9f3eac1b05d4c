/** The lines of JSON Lines that hold anything. */
import { markLength, readChunks } from '../read.ts';
import { findFault } from './cut.ts';
import { holdsText } from './linecutter.ts';
import { ROW_BYTES_MAX } from './ranges.ts';

const LF = 10;

export interface LineSink {
  /** The line lies between `from` and `to` of `bytes`, without its line break. */
  line(bytes: Buffer, from: number, to: number): void;
}

interface Part {
  readonly start: number;
  readonly end?: number;
  readonly signal?: AbortSignal | undefined;
  readonly encoding: string | undefined;
}

/**
 * The lines that lie wholly in the part; all of them begin behind a line break, or at the start of the file.
 * @throws DatasetError PR3003, PR3005, PR3006, PR3013
 */
export async function readLines(file: string, sink: LineSink, part: Part): Promise<void> {
  let rest = Buffer.alloc(0);
  let inside = part.start === 0;
  let first = true;
  for await (const chunk of readChunks(file, part)) {
    const mark = first && part.start === 0 ? markLength(chunk, file) : 0;
    first = false;
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let from = mark;
    for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, from)) {
      if (inside && holdsText(bytes, from, at)) sink.line(bytes, from, at);
      inside = true;
      from = at + 1;
    }
    // a copy: the chunk's memory is filled anew
    rest = Buffer.from(bytes.subarray(from));
    if (rest.length > ROW_BYTES_MAX) throw await findFault(file, { format: 'jsonl', ...encodingOf(part) });
  }
  if (part.end === undefined && inside && holdsText(rest, 0, rest.length)) sink.line(rest, 0, rest.length);
}

const encodingOf = ({ encoding }: Part) => (encoding === undefined ? {} : { encoding });

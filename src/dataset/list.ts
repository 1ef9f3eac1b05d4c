/** Lists of files: a path a line, or a column of CSV. Read as a stream, a million of them in little memory. */
import type { FieldSink } from '../domain/dialect.ts';
import type { CsvDialect, Selection } from '../domain/plan.ts';
import { bytesOf, joinBytes, textOf } from './bytepath.ts';
import type { BytePath } from './bytepath.ts';
import { DatasetError, datasetProblem } from './error.ts';
import { readChunks } from './read.ts';
import { scannerFor } from './table/scanner.ts';

export type FileList = Extract<Selection, { by: 'list' }>;

const LF = 10;
/** Of a line; longer than any path a system takes, also percent-encoded. */
const LINE_BYTES_MAX = 64 * 1024;
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]+):/;

/**
 * Paths of a list in its order, as text relative to `/`. That they lead to something isn't looked at.
 * @throws DatasetError PR3003, PR3006, PR3013, PR3401, PR3402
 */
export async function* listedFiles(list: FileList, signal?: AbortSignal): AsyncGenerator<string[], void, undefined> {
  const folder = bytesOf(list.file.slice(0, list.file.lastIndexOf('/')));
  const entries = list.csv ? csvEntries(list, list.csv, signal) : lines(list, signal);
  for await (const found of entries) yield found.map(({ entry, line }) => absolute(entry, folder, list, line));
}

/** As it stands in the list. */
interface Entry {
  readonly entry: BytePath;
  /** From 1. */
  readonly line: number;
}

/** Empty lines are none. */
async function* lines({ file }: FileList, signal: AbortSignal | undefined): AsyncGenerator<Entry[], void, undefined> {
  let rest = Buffer.alloc(0);
  let line = 0;
  const take = (bytes: Buffer, into: Entry[]): void => {
    line += 1;
    if (bytes.length > LINE_BYTES_MAX) throw tooLong(file, line);
    const mark = line === 1 && bytes.toString('latin1', 0, 3) === '\xef\xbb\xbf' ? 3 : 0;
    const entry = bytes.toString('latin1', mark).replace(/\r$/, '');
    if (entry !== '') into.push({ entry, line });
  };
  for await (const chunk of readChunks(file, { signal })) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    const found: Entry[] = [];
    let from = 0;
    for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, from)) {
      take(bytes.subarray(from, at), found);
      from = at + 1;
    }
    // a copy: the chunk's memory is filled anew
    rest = Buffer.from(bytes.subarray(from));
    if (rest.length > LINE_BYTES_MAX) throw tooLong(file, line + 1);
    yield found;
  }
  const last: Entry[] = [];
  if (rest.length > 0) take(rest, last);
  yield last;
}

async function* csvEntries(
  { file, column = '' }: FileList,
  csv: CsvDialect,
  signal: AbortSignal | undefined,
): AsyncGenerator<Entry[], void, undefined> {
  const sink = new ColumnSink(file, column);
  const scanner = scannerFor(csv, sink);
  let rest = Buffer.alloc(0);
  let first = true;
  for await (const chunk of readChunks(file, { signal })) {
    const mark = first && chunk.toString('latin1', 0, 3) === '\xef\xbb\xbf' ? 3 : 0;
    first = false;
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk.subarray(mark);
    rest = Buffer.from(bytes.subarray(scanner.scan(bytes, 0, false)));
    if (rest.length > LINE_BYTES_MAX) throw tooLong(file, sink.line + 1);
    yield sink.taken();
  }
  if (scanner.scan(rest, 0, true) < rest.length) throw tooLong(file, sink.line + 1);
  yield sink.taken();
}

/** Takes one column of each row behind the header. */
class ColumnSink implements FieldSink {
  /** Rows so far, the header among them. */
  line = 0;
  readonly #file: string;
  readonly #name: BytePath;
  readonly #column: string;
  #position = -1;
  #names: string[] = [];
  #entry = '';
  #entries: Entry[] = [];

  constructor(file: string, column: string) {
    this.#file = file;
    this.#column = column;
    this.#name = bytesOf(column);
  }

  taken(): Entry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  beginRow(): void {
    this.#entry = '';
    this.#names = [];
  }

  field(column: number, bytes: Buffer, start: number, end: number): void {
    if (this.line === 0) this.#names[column] = bytes.toString('latin1', start, end);
    else if (column === this.#position) this.#entry = bytes.toString('latin1', start, end);
  }

  endRow(): boolean {
    if (this.line === 0) this.#findColumn();
    else if (this.#entry !== '') this.#entries.push({ entry: this.#entry, line: this.line + 1 });
    this.line += 1;
    return true;
  }

  #findColumn(): void {
    this.#position = this.#names.indexOf(this.#name);
    if (this.#position >= 0) return;
    throw new DatasetError(
      datasetProblem({
        code: 'PR3401',
        what: `a list of files has no column ${JSON.stringify(this.#column)}`,
        file: this.#file,
        line: 1,
        why: `its columns are ${this.#names.map((name) => JSON.stringify(textOf(name))).join(', ')}`,
        next: 'name the column that holds the paths with --list-column',
      }),
    );
  }
}

/** Relative to `/`. */
function absolute(entry: BytePath, folder: BytePath, { file }: FileList, line: number): string {
  const scheme = SCHEME.exec(entry)?.[1]?.toLowerCase();
  let path = entry;
  if (scheme === 'file') path = ofUrl(entry, file, line);
  else if (scheme !== undefined && entry.startsWith('//', scheme.length + 1))
    throw noPath(file, line, `it begins with ${scheme}:, and only paths on this machine can be read`);
  if (path.includes('\0')) throw noPath(file, line, 'it holds a zero byte');
  const whole = path.startsWith('/') ? path : joinBytes(folder, path.replace(/^(?:\.\/+)+/, ''));
  return textOf(whole.replace(/^\/+/, ''));
}

/** `file:///a%20b`, also with `localhost` or with one slash. */
function ofUrl(entry: BytePath, file: string, line: number): BytePath {
  const path = /^file:(?:\/\/(?:localhost)?(?=\/))?(.*)$/is.exec(entry)?.[1] ?? '';
  if (!path.startsWith('/') || path.startsWith('//'))
    throw noPath(file, line, 'it names another machine, or no absolute path');
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const TOO_LONG = `it is longer than ${LINE_BYTES_MAX / 1024} KB, or a quote in it is never closed`;

const tooLong = (file: string, line: number): DatasetError =>
  noPath(file, line, TOO_LONG, 'look at that line: a list has a path a line, or is CSV with a header');

function noPath(
  file: string,
  line: number,
  why: string,
  next = 'copy or mount the data, and name the files by their paths',
): DatasetError {
  const what = 'a line of a list of files is no path on this machine';
  return new DatasetError(datasetProblem({ code: 'PR3402', what, file, line, why, next }));
}

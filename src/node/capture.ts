/** Captured output of one worker: raw files, and the stamped lines in the logs that are made from them. */
import type { NodeAddress, WorkerId } from '../domain/ids.ts';
import { epochMs } from '../domain/ids.ts';
import { logPath } from '../domain/layout.ts';
import { driverLogPrefix, tryLabel, utcStamp } from '../domain/logline.ts';
import type { Clock, LogSink } from '../domain/ports.ts';
import type { OutputMarks } from '../domain/protocol.ts';
import type { RunWarning } from '../domain/event.ts';
import { CaptureFile } from './capturefile.ts';
import { LAST_LINES_READ_BYTES, lastPrinted } from './lastlines.ts';
import { StreamRenderer } from './segments.ts';
import type { PrintedBy } from './segments.ts';

/** A raw file longer than this is emptied once what is worth showing of it was shown. */
export const RAW_BYTES_MAX = 256 * 1024 * 1024;
/** Shown of one stream in one look; a worker that prints faster for long gets less shown, never slowed down. */
const LOOK_BYTES_MAX = 1024 * 1024;
/** A stream that was shown this much gets only the ends of each further mini-batch. */
const SHOWN_BYTES_MAX = 1024 * 1024 * 1024;
const SHOWN_BYTES_PER_TRY_THEN = 8 * 1024;
/** Lines are handed on in pieces of about this size: megabytes at once would double in memory. */
const PIECE_BYTES = 128 * 1024;
const UNFINISHED_LINE_MS = 1_000;
const WARN_AGAIN_MS = 10_000;
const DRAIN_MS_MAX = 1_000;
/** Last bytes of stderr that go with a failure. */
const TRACE_BYTES_MAX = 32 * 1024;

export type StreamName = 'stdout' | 'stderr';

export interface CaptureOptions {
  /** Folder of the raw files. */
  readonly folder: string;
  readonly worker: WorkerId;
  readonly node: NodeAddress;
  /** `Process-3`. */
  readonly process: string;
  readonly keepBytes: number;
  /** For tests; default `RAW_BYTES_MAX`. */
  readonly rawBytesMax?: number;
  readonly logs: LogSink;
  readonly clock: Clock;
  readonly warn: (event: RunWarning) => void;
}

/** Path of a raw file; `TryFinished.printed` counts in its stream. */
export function rawPath(folder: string, node: string, process: string, stream: StreamName): string {
  return `${folder}/${node}-${process}.${stream}`;
}

class CapturedStream {
  readonly file: CaptureFile;
  readonly #options: CaptureOptions;
  readonly #name: StreamName;
  readonly #renderer: StreamRenderer;
  readonly #userLog: string;
  #userLines: Buffer[] = [];
  #driverLines: Buffer[] = [];
  #lineBytes = 0;
  #measured = 0;
  #wall = 0;
  #prefixesOf: PrintedBy | undefined;
  #userPrefix = Buffer.alloc(0);
  #driverPrefix = Buffer.alloc(0);
  #unfinishedSince: number | undefined;
  #dropped = 0;
  #droppedOf: number | undefined;
  #warnedAt = -Infinity;

  constructor(options: CaptureOptions, name: StreamName) {
    const { folder, node, process, keepBytes, clock } = options;
    this.#options = options;
    this.#name = name;
    this.#userLog = (name === 'stdout' ? logPath.userStdout : logPath.userStderr)(node, process);
    this.file = new CaptureFile(rawPath(folder, node, process, name));
    const ports = {
      read: (from: number, to: number): Buffer => this.file.read(from, to),
      line: (bytes: Buffer, of: PrintedBy | undefined): void => this.#line(bytes, of),
      dropped: (bytes: number, index: number | undefined): void => this.#drop(bytes, index),
    };
    const prefixBytes = Buffer.byteLength(driverLogPrefix(clock.now(), node, process, tryLabel(99_999, 9)));
    this.#renderer = new StreamRenderer(ports, { keepBytes, prefixBytes });
  }

  mark(position: number, of: PrintedBy | undefined): void {
    this.#renderer.mark(position, of);
  }

  /** Looks how much there is. To be shown once the marks that the worker sent before are in: see `Capture.measure`. */
  measure(): void {
    this.file.poll(this.#options.clock.now());
    this.#measured = this.file.size;
  }

  /** Shows what was measured. @returns true where more is left for the next time. */
  show(budgetBytes: number = LOOK_BYTES_MAX): boolean {
    const wall = this.#options.clock.now();
    this.#renderer.grow(this.#measured);
    this.#stamp(wall);
    const more = this.#renderer.pump(budgetBytes);
    // a line at the end of what was shown for now goes on in what follows
    if (more) this.#unfinishedSince = undefined;
    else this.#tendUnfinished();
    if (this.file.fileBytes > (this.#options.rawBytesMax ?? RAW_BYTES_MAX)) {
      this.#renderer.grow(this.file.size);
      this.file.cut(this.#renderer.beforeCut(), wall);
    }
    if (this.#renderer.renderedBytes > SHOWN_BYTES_MAX) this.#renderer.keepLess(SHOWN_BYTES_PER_TRY_THEN);
    this.#write();
    this.#warn(false);
    return more;
  }

  end(): void {
    this.measure();
    this.show(0);
    this.#renderer.end();
  }

  close(): void {
    this.#stamp(this.#options.clock.now());
    this.#renderer.close();
    this.#write();
    this.#warn(true);
    this.file.close();
  }

  #stamp(wall: number): void {
    this.#wall = wall;
    this.#prefixFor(this.#prefixesOf);
  }

  #prefixFor(of: PrintedBy | undefined): void {
    const label = of === undefined ? '' : tryLabel(of.index, of.try);
    this.#prefixesOf = of;
    this.#userPrefix = Buffer.from(`${utcStamp(this.#wall)}${label === '' ? '' : ` ${label}`}|`);
    this.#driverPrefix = Buffer.from(driverLogPrefix(this.#wall, this.#options.node, this.#options.process, label));
  }

  #line(bytes: Buffer, of: PrintedBy | undefined): void {
    if (of !== this.#prefixesOf) this.#prefixFor(of);
    this.#userLines.push(this.#userPrefix, bytes, LINE_FEED);
    this.#driverLines.push(this.#driverPrefix, bytes, LINE_FEED);
    this.#lineBytes += bytes.length + this.#driverPrefix.length;
    if (this.#lineBytes > PIECE_BYTES) this.#write();
  }

  #write(): void {
    if (this.#userLines.length === 0) return;
    this.#options.logs.append(this.#userLog, Buffer.concat(this.#userLines));
    this.#options.logs.append(logPath.driver, Buffer.concat(this.#driverLines));
    this.#userLines = [];
    this.#driverLines = [];
    this.#lineBytes = 0;
  }

  #tendUnfinished(): void {
    const now = this.#options.clock.monotonic();
    if (!this.#renderer.hasUnfinished) this.#unfinishedSince = undefined;
    else if (this.#unfinishedSince === undefined) this.#unfinishedSince = now;
    else if (now - this.#unfinishedSince >= UNFINISHED_LINE_MS) this.#renderer.flushUnfinished();
  }

  #drop(bytes: number, index: number | undefined): void {
    this.#dropped += bytes;
    this.#droppedOf = index;
  }

  /** Not for each mini-batch of a flood: sums, now and then and at the end. */
  #warn(last: boolean): void {
    const now = this.#options.clock.monotonic();
    if (this.#dropped === 0 || (!last && now - this.#warnedAt < WARN_AGAIN_MS)) return;
    this.#warnedAt = now;
    const index = this.#droppedOf === undefined ? {} : { index: this.#droppedOf };
    const { worker, clock } = this.#options;
    this.#options.warn({
      type: 'warning',
      at: epochMs(clock.now()),
      warning: { kind: 'log-truncated', worker, stream: this.#name, droppedBytes: this.#dropped, ...index },
    });
    this.#dropped = 0;
  }
}

const LINE_FEED = Buffer.from('\n');

/** Until what was shown is on the disk, or the next of it would wait in memory too; not for long where a disk hangs. */
async function drained(logs: LogSink): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, DRAIN_MS_MAX);
  });
  await Promise.race([logs.flush(), late]);
  clearTimeout(timer);
}

export class Capture {
  readonly #stdout: CapturedStream;
  readonly #stderr: CapturedStream;
  readonly #clock: Clock;
  readonly #logs: LogSink;
  #ended = false;

  constructor(options: CaptureOptions) {
    this.#clock = options.clock;
    this.#logs = options.logs;
    this.#stdout = new CapturedStream(options, 'stdout');
    this.#stderr = new CapturedStream(options, 'stderr');
  }

  get descriptors(): readonly [stdout: number, stderr: number] {
    return [this.#stdout.file.descriptor, this.#stderr.file.descriptor];
  }
  get paths(): readonly string[] {
    return [this.#stdout.file.path, this.#stderr.file.path];
  }

  /** Marks of a worker, taken at `wallMs`, as positions in the streams. */
  positions(marks: OutputMarks, wallMs: number): OutputMarks {
    return [this.#stdout.file.position(marks[0], wallMs), this.#stderr.file.position(marks[1], wallMs)];
  }

  /** What is printed from these positions on belongs to this try, or to none. */
  mark(positions: OutputMarks, of: PrintedBy | undefined): void {
    this.#stdout.mark(positions[0], of);
    this.#stderr.mark(positions[1], of);
  }

  /**
   * First half of a look. A worker says `begin` before it prints, but its message may still be unread when the bytes
   * are seen: `show` comes one turn of the loop later, and no line is shown as that of the try before.
   */
  measure(): void {
    if (this.#ended) return;
    this.#stdout.measure();
    this.#stderr.measure();
  }

  /** Shows what was measured, and what lies before the latest mark. */
  show(): void {
    if (this.#ended) return;
    this.#stdout.show();
    this.#stderr.show();
  }

  /** For when nothing of the worker is unread. */
  look(): void {
    this.measure();
    this.show();
  }

  /** Where the streams are now. */
  ends(): OutputMarks {
    const wall = this.#clock.now();
    const files = [this.#stdout.file, this.#stderr.file] as const;
    for (const file of files) file.poll(wall);
    return [files[0].size, files[1].size];
  }

  /** The last lines printed between these positions. */
  lastPrinted(from: OutputMarks, to: OutputMarks): string[] {
    const tail = ({ file }: CapturedStream, i: 0 | 1): Buffer =>
      file.read(Math.max(from[i], to[i] - LAST_LINES_READ_BYTES), to[i]);
    return lastPrinted(tail(this.#stdout, 0), tail(this.#stderr, 1));
  }

  /** What came on stderr from a position on, its last bytes where that is much; undefined where nothing came. */
  stderrSince(from: number): string | undefined {
    const [, end] = this.ends();
    const text = this.#stderr.file
      .read(Math.max(from, end - TRACE_BYTES_MAX), end)
      .toString('utf8')
      .trim();
    return text === '' ? undefined : text;
  }

  /** Shows the rest, giving way to other work in between, and closes the files. The raw files stay. */
  async finish(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    for (const stream of [this.#stdout, this.#stderr]) {
      stream.end();
      while (stream.show()) await drained(this.#logs);
      stream.close();
    }
  }
}

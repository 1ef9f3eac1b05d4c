/**
 * The files of a run's logs. Writing is buffered and happens beside the run: nothing here throws, waits for a disk in
 * the caller's turn, or keeps a run from going on. What can't be written is dropped and reported once per file.
 */
import { mkdir, open, rename, rm, writeFile, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LogSink } from '../domain/ports.ts';
import { ChunkBuffer } from './chunk-buffer.ts';

export interface FileLogSink extends LogSink {
  /** Gives a file a new content as a whole: a reader sees the former or the new one, never a part. */
  replace(path: string, text: string): void;
  /** Writes what is buffered and closes all files. Later calls of `append` are ignored. Never rejects. */
  close(): Promise<void>;
}

export interface LogSinkOptions {
  /** Text is on its way to the disk at most this long after `append`. Default 200. */
  readonly flushMs?: number;
  /** A file that nobody has written to for so long is closed. Default 2,000. */
  readonly idleMs?: number;
  /** Called once per file that can't be written, for at most 20 files. */
  readonly onError?: (path: string, reason: string) => void;
}

const FLUSH_MS = 200;
/** A file with this much buffered is written at once. */
const FLUSH_BYTES = 32 * 1024;
/** Where a disk doesn't keep up: more than this waiting for one file is dropped. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
const OPEN_FILES_MAX = 64;
/** Of a run whose workers die again and again, the files of dead ones don't stay open. */
const IDLE_MS = 2_000;
const REPORTED_FILES_MAX = 20;

/** Never the terminal of somebody (NOCTTY), never stuck on a FIFO without reader (NONBLOCK). */
const APPEND_FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY | constants.O_NONBLOCK;

interface LogFile {
  readonly path: string;
  /** Appended and not yet on its way. */
  readonly waiting: ChunkBuffer;
  /** Being written. */
  inFlight: number;
  dropped: number;
  handle: FileHandle | undefined;
  /** Monotonic time of the last write. */
  usedAt: number;
  /** All writes to the file so far, one after the other. Never rejects. */
  chain: Promise<void>;
  busy: boolean;
}

/** @param runFolder absolute; paths of `append` are relative to it. */
export function createLogSink(runFolder: string, options: LogSinkOptions = {}): FileLogSink {
  return new BufferedFiles(runFolder, options);
}

class BufferedFiles implements FileLogSink {
  private readonly folder: string;
  private readonly flushMs: number;
  private readonly idleMs: number;
  private readonly onError: (path: string, reason: string) => void;
  /** In the order of their last use, the oldest first. */
  private readonly files = new Map<string, LogFile>();
  private readonly dirty = new Set<LogFile>();
  private readonly reported = new Set<string>();
  private readonly replacing = new Map<string, { next: string | undefined; done: Promise<void> }>();
  private timer: NodeJS.Timeout | undefined;
  private idleTimer: NodeJS.Timeout | undefined;
  private openFiles = 0;
  private closed = false;

  constructor(folder: string, options: LogSinkOptions) {
    this.folder = folder;
    this.flushMs = options.flushMs ?? FLUSH_MS;
    this.idleMs = options.idleMs ?? IDLE_MS;
    this.onError = options.onError ?? (() => undefined);
  }

  append(path: string, chunk: string | Uint8Array): void {
    if (this.closed || chunk.length === 0) return;
    const file = this.files.get(path) ?? this.newFile(path);
    if (file.waiting.size + file.inFlight > WAITING_BYTES_MAX) {
      file.dropped += chunk.length;
      this.report(path, 'the disk does not keep up; some lines are missing');
      return;
    }
    file.waiting.append(chunk);
    if (file.waiting.size >= FLUSH_BYTES) {
      this.write(file);
      return;
    }
    this.dirty.add(file);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.writeAll();
    }, this.flushMs).unref();
  }

  replace(path: string, text: string): void {
    if (this.closed) return;
    const running = this.replacing.get(path);
    if (running !== undefined) {
      running.next = text;
      return;
    }
    const entry = { next: text as string | undefined, done: Promise.resolve() };
    this.replacing.set(path, entry);
    entry.done = (async () => {
      while (entry.next !== undefined) {
        const content = entry.next;
        entry.next = undefined;
        await this.rewrite(path, content);
      }
      this.replacing.delete(path);
    })();
  }

  async flush(): Promise<void> {
    this.writeAll();
    await Promise.all([
      ...[...this.files.values()].map((file) => file.chain),
      ...[...this.replacing.values()].map(({ done }) => done),
    ]);
  }

  async close(): Promise<void> {
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.timer = undefined;
    await this.flush();
    clearTimeout(this.idleTimer);
    this.closed = true;
    await this.flush();
    for (const file of this.files.values()) await this.closeFile(file);
    this.files.clear();
  }

  private newFile(path: string): LogFile {
    const file: LogFile = {
      path,
      waiting: new ChunkBuffer(),
      inFlight: 0,
      dropped: 0,
      handle: undefined,
      usedAt: 0,
      chain: Promise.resolve(),
      busy: false,
    };
    this.files.set(path, file);
    return file;
  }

  private writeAll(): void {
    const files = [...this.dirty];
    this.dirty.clear();
    for (const file of files) this.write(file);
  }

  /** Puts what is buffered of a file behind the writes already under way. */
  private write(file: LogFile): void {
    this.dirty.delete(file);
    const bytes = file.waiting.take();
    if (bytes === undefined) return;
    const size = bytes.length;
    file.inFlight += size;
    file.busy = true;
    file.usedAt = performance.now();
    this.files.delete(file.path);
    this.files.set(file.path, file);
    this.watchIdle();
    const write = file.chain.then(async () => {
      await this.writeBytes(file, bytes);
      file.waiting.giveBack(bytes);
      file.inFlight -= size;
      if (file.chain === write) file.busy = false;
      await this.closeIdle();
    });
    file.chain = write;
  }

  private async writeBytes(file: LogFile, bytes: Uint8Array): Promise<void> {
    const dropped = file.dropped;
    try {
      file.handle ??= await this.open(file.path);
      if (dropped > 0 && !file.path.endsWith('.csv')) {
        await writeWhole(
          file.handle,
          Buffer.from(`[parallelrun: about ${dropped} bytes of this log could not be written]\n`),
        );
      }
      file.dropped -= dropped;
      await writeWhole(file.handle, bytes);
    } catch (error) {
      file.dropped += bytes.length;
      this.report(file.path, reasonOf(error));
      await this.closeFile(file);
    }
  }

  private async open(path: string): Promise<FileHandle> {
    const absolute = join(this.folder, path);
    let handle: FileHandle;
    try {
      handle = await open(absolute, APPEND_FLAGS, 0o644);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await mkdir(dirname(absolute), { recursive: true });
      handle = await open(absolute, APPEND_FLAGS, 0o644);
    }
    this.openFiles += 1;
    return handle;
  }

  private watchIdle(): void {
    if (this.closed) return;
    this.idleTimer ??= setTimeout(() => {
      void this.closeUnused().then(() => {
        this.idleTimer = undefined;
        if (this.openFiles > 0) this.watchIdle();
      });
    }, this.idleMs).unref();
  }

  private async closeUnused(): Promise<void> {
    const before = performance.now() - this.idleMs;
    for (const file of this.files.values()) {
      if (file.usedAt > before) return;
      if (isIdle(file)) await this.forget(file);
    }
  }

  private async forget(file: LogFile): Promise<void> {
    await this.closeFile(file);
    // Meanwhile somebody may have appended to it.
    if (file.dropped === 0 && isIdle(file)) this.files.delete(file.path);
  }

  /** Closes the files unused for longest while too many are open; files that are written to stay. */
  private async closeIdle(): Promise<void> {
    if (this.openFiles <= OPEN_FILES_MAX) return;
    for (const file of this.files.values()) {
      if (!isIdle(file)) continue;
      await this.forget(file);
      if (this.openFiles <= OPEN_FILES_MAX) return;
    }
  }

  private async closeFile(file: LogFile): Promise<void> {
    const { handle } = file;
    if (handle === undefined) return;
    file.handle = undefined;
    this.openFiles -= 1;
    try {
      await handle.close();
    } catch (error) {
      this.report(file.path, reasonOf(error));
    }
  }

  private async rewrite(path: string, text: string): Promise<void> {
    const target = join(this.folder, path);
    const draft = `${target}.tmp`;
    try {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(draft, text);
      await rename(draft, target);
    } catch (error) {
      this.report(path, reasonOf(error));
      await rm(draft, { force: true }).catch(() => undefined);
    }
  }

  private report(path: string, reason: string): void {
    if (this.reported.has(path) || this.reported.size >= REPORTED_FILES_MAX) return;
    this.reported.add(path);
    try {
      this.onError(path, reason);
    } catch {
      // Logs must not end a run, nor may who is told about them.
    }
  }
}

const isIdle = (file: LogFile): boolean => !file.busy && file.waiting.size === 0;

async function writeWhole(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let from = 0;
  while (from < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, from, bytes.length - from);
    from += bytesWritten;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

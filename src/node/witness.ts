/**
 * What the agent sees of a worker's tries from outside: what they print, which item they mark, how much memory they
 * take. What can't be read isn't known; it never ends a run.
 */
import type { Circumstances } from '../domain/failure.ts';
import type { FailedMessage, OutputMarks } from '../domain/protocol.ts';
import type { Capture } from './capture.ts';
import type { MarkFile } from './markfile.ts';
import { parseCounters, readStat, readText } from './procfs.ts';
import type { Handed, Remains } from './slot.ts';
import type { StackDump } from './stacks.ts';

export class TryWitness {
  readonly #capture: Capture | undefined;
  readonly #markFile: MarkFile | undefined;
  /** Where the streams were at the latest begin or end of a try. */
  #marks: OutputMarks = [0, 0];
  /** Since the running try began; the latest look before it is where it began from. */
  #peakBytes = 0;
  #latestBytes = 0;
  #readyBytes = 0;
  #cpuSeconds: number | undefined;

  constructor(capture: Capture | undefined, markFile: MarkFile | undefined) {
    this.#capture = capture;
    this.#markFile = markFile;
  }

  mark(marks: OutputMarks, of: Handed | undefined): void {
    this.#marks = marks;
    if (of !== undefined) this.#peakBytes = Math.max(this.#latestBytes, this.#readyBytes);
  }

  /** So much memory of the worker and what it started was seen. */
  noteMemory(bytes: number): void {
    if (bytes > 0) this.#latestBytes = bytes;
    this.#peakBytes = Math.max(this.#peakBytes, bytes);
  }

  /** A look at the worker when it is ready, for tries that end before the next one. */
  ready(pid: number): void {
    this.#readyBytes = highestResident(pid);
  }

  /** The last look at a process before it is killed. */
  beforeKill(pid: number): void {
    const stat = readStat(pid);
    this.#cpuSeconds = stat && stat.userSeconds + stat.systemSeconds;
    this.noteMemory(highestResident(pid));
  }

  /** Of a try whose worker lives on. */
  ofFailed(message: FailedMessage): Circumstances {
    this.noteMemory(message.rss ?? 0);
    return { ...this.#memory(), ...this.#lines(message.o) };
  }

  /** What a dead process left. */
  remains(running: Handed | undefined, dump: StackDump | undefined): Remains {
    return {
      stacks: dump?.take(),
      trace: readable(() => this.#capture?.stderrSince(running ? this.#marks[1] : 0)),
      cpuSeconds: this.#cpuSeconds,
      seen: running ? this.#ofLost(running, dump) : this.#memory(),
    };
  }

  #ofLost(running: Handed, dump: StackDump | undefined): Circumstances {
    const item = this.#markFile?.read(running);
    const ends = readable(() => this.#capture?.ends());
    // the stacks that we asked for are none of its own words
    const lines = ends && this.#lines([ends[0], dump?.from ?? ends[1]]);
    return { ...(item !== undefined && { item }), ...this.#memory(), ...lines };
  }

  #memory(): Circumstances {
    return this.#peakBytes > 0 ? { peakMemoryBytes: this.#peakBytes } : {};
  }

  #lines(to: OutputMarks): Circumstances {
    const lastLines = readable(() => this.#capture?.lastPrinted(this.#marks, to)) ?? [];
    return lastLines.length > 0 ? { lastLines } : {};
  }
}

/** Bytes; 0 where it is gone. */
function highestResident(pid: number): number {
  return (parseCounters(readText(`/proc/${pid}/status`) ?? '').get('VmHWM') ?? 0) * 1024;
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

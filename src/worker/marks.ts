import { closeSync, fstatSync, openSync } from 'node:fs';
import type { OutputMarks } from '../domain/protocol.ts';

const stat = fstatSync;
const open = openSync;
const close = closeSync;

/**
 * Sizes of the raw output files behind descriptors 1 and 2. A script may close or redirect those, so each file is
 * opened once more for ourselves; where that is impossible, marks stay at the last size instead of going back.
 */
export class OutputMeter {
  readonly #files: readonly [number | undefined, number | undefined] = [ownDescriptor(1), ownDescriptor(2)];
  #marks: OutputMarks = [0, 0];

  read(): OutputMarks {
    const [out, error] = this.#files;
    this.#marks = [sizeOf(out, this.#marks[0]), sizeOf(error, this.#marks[1])];
    return this.#marks;
  }

  /**
   * Descriptors 1 and 2 that a mini-batch closed are there again for the next one: its prints must not fail, and no file
   * that it opens may become its standard output.
   */
  reopen(): void {
    for (const [place, own] of this.#files.entries()) {
      if (own !== undefined && own !== place + 1 && !isOpen(place + 1)) openAs(place + 1, own);
    }
  }
}

function isOpen(descriptor: number): boolean {
  try {
    stat(descriptor);
    return true;
  } catch {
    return false;
  }
}

/** Opening takes the lowest number that is free, which may be one below. */
function openAs(wanted: number, own: number): void {
  const below: number[] = [];
  try {
    for (let found = -1; found < wanted;) {
      found = open(`/dev/fd/${own}`, 'a');
      if (found !== wanted) below.push(found);
    }
  } catch {
    // not allowed here: the script lives with what it did
  }
  for (const descriptor of below) close(descriptor);
}

function sizeOf(descriptor: number | undefined, last: number): number {
  if (descriptor === undefined) return 0;
  try {
    return Math.max(last, stat(descriptor).size);
  } catch {
    return last;
  }
}

/** Undefined for terminals, pipes and closed descriptors: nothing to measure there. */
function ownDescriptor(descriptor: number): number | undefined {
  try {
    if (!stat(descriptor).isFile()) return undefined;
  } catch {
    return undefined;
  }
  try {
    // read only: nothing a script writes to a number it guesses ends up in the file
    return open(`/dev/fd/${descriptor}`, 'r');
  } catch {
    return descriptor;
  }
}

/**
 * What scripts write on a node beside their rows, brought to the run folder of the orchestrator: before the mini-batch
 * that wrote it is told to be done. Logs and records grow, and what was added is brought; other files are brought whole.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import type { Outbox } from './outbox.ts';

interface Known {
  size: number;
  mtimeMs: number;
}

/** Below the run folder. */
const GROWING = ['logs', 'records'];
const WHOLE = ['outputs', 'files'];

export class Carrier {
  readonly #folder: string;
  readonly #outbox: Outbox;
  readonly #known = new Map<string, Known>();
  /** Logs that the agent tells by itself. */
  readonly #told = new Set<string>();

  /** @param folder of the run on this node, absolute */
  constructor(folder: string, outbox: Outbox) {
    this.#folder = folder;
    this.#outbox = outbox;
  }

  /** This file is told in other ways. @param path relative to the run folder */
  leaveOut(path: string): void {
    this.#told.add(path);
  }

  /** Looks for what is new, and puts it in line. What can't be read is left for the next time. */
  look(): void {
    for (const folder of GROWING) this.#walk(folder, (path) => this.#grown(path));
    const there = new Set<string>();
    for (const folder of WHOLE) {
      this.#walk(folder, (path) => {
        there.add(path);
        this.#changed(path);
      });
    }
    for (const path of this.#known.keys()) {
      if (there.has(path) || !WHOLE.some((folder) => path.startsWith(`${folder}/`))) continue;
      this.#known.delete(path);
      this.#outbox.gone(path);
    }
  }

  #walk(folder: string, found: (path: string) => void): void {
    let entries;
    try {
      entries = readdirSync(`${this.#folder}/${folder}`, { withFileTypes: true });
    } catch {
      return; // none has been made
    }
    for (const entry of entries) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) this.#walk(path, found);
      else if (entry.isFile() && !this.#told.has(path)) found(path);
    }
  }

  #stat(path: string): Known | undefined {
    return statSync(`${this.#folder}/${path}`, { throwIfNoEntry: false });
  }

  #grown(path: string): void {
    const now = this.#stat(path);
    const from = this.#known.get(path)?.size ?? 0;
    if (!now || now.size <= from) return;
    const bytes = readPart(`${this.#folder}/${path}`, from, now.size - from);
    if (!bytes || bytes.length === 0) return;
    this.#known.set(path, { size: from + bytes.length, mtimeMs: now.mtimeMs });
    if (path.startsWith('logs/')) this.#outbox.log(path, bytes);
    else bringBytes(this.#outbox, path, bytes, from);
  }

  #changed(path: string): void {
    const now = this.#stat(path);
    const before = this.#known.get(path);
    if (!now || (before?.size === now.size && before.mtimeMs === now.mtimeMs)) return;
    this.#known.set(path, { size: now.size, mtimeMs: now.mtimeMs });
    bringFile(this.#outbox, path, `${this.#folder}/${path}`);
  }
}

/** A file as it is when its turn comes. @param onRead called when it is read */
export function bringFile(outbox: Outbox, path: string, file: string, onRead: () => void = () => undefined): void {
  outbox.file({ path, from: 0, read: (at, bytes) => readPart(file, at, bytes), done: onRead });
}

export function bringBytes(outbox: Outbox, path: string, content: Uint8Array, from = 0): void {
  const read = (at: number, bytes: number): Uint8Array => content.subarray(at - from, at - from + bytes);
  outbox.file({ path, from, read, done: () => undefined });
}

/** @returns what there is from `at` on, at most `length` bytes; undefined where the file can't be read */
function readPart(file: string, at: number, length: number): Uint8Array | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch {
    return undefined;
  }
  try {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, fstatSync(descriptor).size - at)));
    let done = 0;
    for (let read = 1; read > 0 && done < bytes.length; done += read) {
      read = readSync(descriptor, bytes, done, bytes.length - done, at + done);
    }
    return bytes.subarray(0, done);
  } catch {
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}

/** What nodes bring for the run folder: lines of logs, and files in pieces. Written as they come, in order. */
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LogSink } from '../../domain/ports.ts';
import type { Report } from './wire.ts';

/** Where a node may write: never plan, ledger or code. */
const OPEN_TO_NODES = ['logs/', 'azureml-logs/', 'outputs/', 'records/', 'files/', 'state/parts/'];

/** A path that stays below the run folder, in a place that is for nodes. */
export function isOpenToNodes(path: string): boolean {
  const isClean = path.split('/').every((name) => name !== '' && name !== '.' && name !== '..') && !path.includes('\0');
  return isClean && OPEN_TO_NODES.some((folder) => path.startsWith(folder));
}

export class Arrivals {
  readonly #folder: string;
  readonly #logs: LogSink;

  /** @param folder of the run, absolute */
  constructor(folder: string, logs: LogSink) {
    this.#folder = folder;
    this.#logs = logs;
  }

  log({ path, bytes }: Extract<Report, { m: 'log' }>): void {
    if (isOpenToNodes(path)) this.#logs.append(path, bytes);
  }

  gone({ path }: Extract<Report, { m: 'gone' }>): void {
    if (isOpenToNodes(path)) rmSync(`${this.#folder}/${path}`, { force: true });
  }

  /** @throws where it can't be written, such as on a full disk; the same piece may be given again */
  piece({ path, at, bytes, last }: Extract<Report, { m: 'piece' }>): void {
    if (!isOpenToNodes(path)) return;
    const file = `${this.#folder}/${path}`;
    mkdirSync(dirname(file), { recursive: true });
    const { O_WRONLY, O_CREAT, O_TRUNC } = constants;
    const mode = path.startsWith('state/') ? 0o600 : 0o666;
    const descriptor = openSync(file, O_WRONLY | O_CREAT | (at === 0 ? O_TRUNC : 0), mode);
    try {
      for (let done = 0; done < bytes.length;)
        done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
      if (last) ftruncateSync(descriptor, at + bytes.length);
    } finally {
      closeSync(descriptor);
    }
  }
}

/** The log sink of a node: lines gather for a moment, then go to the orchestrator, which writes them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LogSink } from '../../domain/ports.ts';
import type { Carrier } from './carry.ts';
import type { Outbox } from './outbox.ts';

const GATHER_MS = 200;
const GATHER_BYTES = 128 * 1024;

export class ToldLogs implements LogSink {
  readonly #folder: string;
  readonly #outbox: Outbox;
  readonly #carrier: Carrier;
  #waiting = new Map<string, Buffer[]>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #begun = new Set<string>();

  constructor(folder: string, outbox: Outbox, carrier: Carrier) {
    this.#folder = folder;
    this.#outbox = outbox;
    this.#carrier = carrier;
  }

  append(path: string, chunk: string | Uint8Array): void {
    this.#begin(path);
    const bytes = Buffer.from(chunk);
    const chunks = this.#waiting.get(path);
    if (chunks) chunks.push(bytes);
    else this.#waiting.set(path, [bytes]);
    this.#bytes += bytes.length;
    if (this.#bytes > GATHER_BYTES) this.tell();
    else this.#timer ??= setTimeout(() => this.tell(), GATHER_MS);
  }

  /** All that has gathered goes out now. */
  tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#bytes = 0;
    for (const [path, chunks] of waiting) this.#outbox.log(path, Buffer.concat(chunks));
  }

  flush(): Promise<void> {
    this.tell();
    return Promise.resolve();
  }

  /** An empty file stands for it here: others look whether it has begun, to know whether a header is due. */
  #begin(path: string): void {
    if (this.#begun.has(path)) return;
    this.#begun.add(path);
    this.#carrier.leaveOut(path);
    const file = `${this.#folder}/${path}`;
    try {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, '', { flag: 'a' });
    } catch {
      // then a header comes twice
    }
  }
}

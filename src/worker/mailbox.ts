import type { Frame } from '../domain/frame.ts';
import type { AgentHello, RunMessage } from '../domain/protocol.ts';

export interface Task {
  readonly message: RunMessage;
  /** JSON of a `MiniBatchSource`. */
  readonly body: Uint8Array;
}

/** What the agent sent and the host has not taken yet. */
export class Mailbox {
  readonly hello: Promise<AgentHello>;
  readonly #setHello: (hello: AgentHello) => void;
  readonly #failHello: (error: Error) => void;
  #tasks: Task[] = [];
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor() {
    let set: (hello: AgentHello) => void = () => undefined;
    let fail: (error: Error) => void = () => undefined;
    this.hello = new Promise((resolve, reject) => {
      set = resolve;
      fail = reject;
    });
    this.#setHello = set;
    this.#failHello = fail;
  }

  /** @throws on a message that is none of the agent's. */
  put(frame: Frame): void {
    const header: unknown = frame.header;
    switch (frame.header['m']) {
      case 'run':
        // messages come from the agent of the same version: their shape is its promise
        if (!this.#stopped) this.#tasks.push({ message: header as RunMessage, body: frame.body });
        break;
      case 'hello':
        this.#setHello(header as AgentHello);
        return;
      case 'stop':
        this.stop();
        return;
      default:
        throw new Error(`unknown message ${JSON.stringify(frame.header['m'])}`);
    }
    this.#wake?.();
  }

  /** Drops what waits and takes nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#tasks = [];
    this.#failHello(new Error('the agent closed the channel before it said hello'));
    this.#wake?.();
  }

  get empty(): boolean {
    return this.#tasks.length === 0;
  }

  /** The next task, at once where one is there; undefined when the host is to stop. */
  take(): Task | undefined | Promise<Task | undefined> {
    const task = this.#tasks.shift();
    if (task !== undefined || this.#stopped) return task;
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve(this.#tasks.shift());
      };
    });
  }
}

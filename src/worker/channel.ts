import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { FrameDecoder, encodeFrame } from '../domain/frame.ts';
import type { Frame } from '../domain/frame.ts';
import type { WorkerMessage } from '../domain/protocol.ts';

const write = writeSync;
const wait = Atomics.wait.bind(Atomics);
const pause = new Int32Array(new SharedArrayBuffer(4));
/** How long a write sleeps while the agent has no room for more; the agent always reads. */
const FULL_PAUSE_MS = 1;

export interface ChannelListener {
  /** Whole frames, in order. */
  onFrames(frames: readonly Frame[]): void;
  /** The other end is closed, or sent something that is no frame (`broken`). Called once. */
  onClose(broken?: Error): void;
}

/**
 * The private channel to the agent. Reading is asynchronous; writing is synchronous, because a frame must have left
 * before user code blocks the event loop: the time limit of `run` counts from the `begin` frame.
 */
export class Channel {
  readonly #descriptor: number;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  #closed = false;

  constructor(descriptor: number, listener: ChannelListener) {
    this.#descriptor = descriptor;
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: true });
    const close = (broken?: Error): void => {
      if (this.#closed) return;
      this.#closed = true;
      listener.onClose(broken);
    };
    this.#socket.on('data', (chunk: Uint8Array) => {
      try {
        const frames = this.#decode(chunk);
        if (frames.length > 0) listener.onFrames(frames);
      } catch (error) {
        close(error instanceof Error ? error : new Error(String(error)));
      }
    });
    this.#socket.on('end', () => close());
    this.#socket.on('error', () => close());
    this.#socket.on('close', () => close());
  }

  /** @throws the error of the system when the agent is gone. */
  send(message: WorkerMessage, body?: Uint8Array): void {
    this.write(encodeFrame(message, body));
  }

  /** Writes whole frames; returns when the kernel has all of them. */
  write(frames: Uint8Array): void {
    let at = 0;
    while (at < frames.length) {
      try {
        at += write(this.#descriptor, frames, at, frames.length - at);
      } catch (error) {
        if (!isFull(error)) throw error;
        wait(pause, 0, 0, FULL_PAUSE_MS);
      }
    }
  }

  #decode(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    this.#decoder.push(chunk);
    for (let frame = this.#decoder.next(); frame !== undefined; frame = this.#decoder.next()) frames.push(frame);
    return frames;
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EINTR');
}

/** One worker process: spawned with its channel on descriptor 3, heard, told, killed, and its end made certain. */
import { spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { Duplex } from 'node:stream';
import { FrameDecoder, FrameError } from '../domain/frame.ts';
import type { Frame } from '../domain/frame.ts';
import { killTree } from './tree.ts';

/** After the death of a worker its last frames are already in our socket buffer; a forked child may hold the channel open. */
const DRAIN_MS_MAX = 200;

export interface SpawnSpec {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Descriptors or `inherit` for 0, 1 and 2. */
  readonly stdio: readonly ['ignore' | 'inherit', number | 'inherit', number | 'inherit'];
  /** In a session of its own, so that its group can be killed; not where a person types into it. */
  readonly ownSession: boolean;
}

/** Told in this order: spawned or spawnFailed; frames, garbage, channelClosed; exited, the last word. */
export interface ProcessListener {
  spawned(pid: number): void;
  spawnFailed(reason: string): void;
  /** All whole frames of one read. */
  frames(frames: readonly Frame[]): void;
  garbage(detail: string): void;
  channelClosed(): void;
  /** Frames that came before the death have been told. `tree`: what the kill at its end found beside it. */
  exited(code: number | null, signal: NodeJS.Signals | null): void;
}

export class WorkerProcess {
  readonly #child: ChildProcess | undefined;
  readonly #channel: Duplex | undefined;
  readonly #listener: ProcessListener;
  readonly #ownSession: boolean;
  readonly #decoder = new FrameDecoder();
  #broken = false;
  #channelEnded = false;
  #gone = false;
  /** Members of its tree seen when it was killed. */
  readonly tree = new Set<number>();

  constructor(spec: SpawnSpec, listener: ProcessListener) {
    this.#listener = listener;
    this.#ownSession = spec.ownSession;
    const stdio: StdioOptions = [...spec.stdio, 'pipe'];
    try {
      this.#child = spawn(spec.command, [...spec.args], {
        stdio,
        env: { ...spec.env },
        cwd: spec.cwd,
        detached: spec.ownSession,
      });
    } catch (error) {
      queueMicrotask(() => listener.spawnFailed(reasonOf(error)));
      return;
    }
    this.#channel = this.#listen(this.#child);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Frames of several messages in one write. What the worker doesn't live to read is lost with it. */
  write(bytes: Uint8Array): void {
    if (this.#channel?.writable) this.#channel.write(bytes);
  }

  signal(name: NodeJS.Signals): void {
    if (!this.#gone) this.#child?.kill(name);
  }

  /** SIGKILL to the worker, its group and its descendants. */
  kill(): void {
    if (this.#gone || this.pid === 0) return;
    for (const pid of killTree(this.pid, this.#ownSession)) if (pid !== this.pid) this.tree.add(pid);
  }

  /** Lets go of a process that doesn't die: nothing of it keeps this process alive any more. */
  abandon(): void {
    this.#gone = true;
    this.#channel?.destroy();
    this.#child?.unref();
  }

  #listen(child: ChildProcess): Duplex | undefined {
    const listener = this.#listener;
    if (child.pid === undefined) {
      child.once('error', (error) => listener.spawnFailed(reasonOf(error)));
      return undefined;
    }
    child.once('spawn', () => listener.spawned(child.pid ?? 0));
    // a signal that couldn't be delivered: the process is gone, `exit` says so
    child.on('error', () => undefined);
    child.once('exit', (code, signal) => this.#onExit(code, signal));
    const channel = child.stdio[3];
    if (!(channel instanceof Duplex)) throw new TypeError('descriptor 3 of a worker is a duplex pipe');
    channel.on('data', (chunk: Buffer) => this.#onData(chunk));
    channel.once('end', () => this.#onChannelEnd());
    channel.once('close', () => this.#onChannelEnd());
    channel.on('error', () => this.#onChannelEnd());
    return channel;
  }

  #onData(chunk: Buffer): void {
    if (this.#broken || this.#gone) return;
    this.#decoder.push(chunk);
    const frames: Frame[] = [];
    let garbage: string | undefined;
    try {
      for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) frames.push(frame);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      garbage = error.message;
      this.#broken = true;
    }
    if (frames.length > 0) this.#listener.frames(frames);
    if (garbage !== undefined) this.#listener.garbage(garbage);
  }

  #onChannelEnd(): void {
    if (this.#channelEnded) return;
    this.#channelEnded = true;
    if (!this.#gone) this.#listener.channelClosed();
    this.#whenChannelEnded();
  }

  #whenChannelEnded: () => void = () => undefined;

  /** Decided on `exit`, never on `close`: that one waits for everybody who inherited the channel. */
  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#gone) return;
    if (this.#ownSession) this.kill();
    const tell = (): void => {
      clearTimeout(timer);
      if (this.#gone) return;
      this.#gone = true;
      this.#channel?.destroy();
      this.#listener.exited(code, signal);
    };
    const timer = setTimeout(tell, DRAIN_MS_MAX);
    if (this.#channelEnded) tell();
    else this.#whenChannelEnded = tell;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

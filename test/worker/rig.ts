/** Starts the real worker host as a child process and plays the agent. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { FrameDecoder, encodeFrame } from '../../src/domain/frame.ts';
import type { MiniBatchSource } from '../../src/domain/minibatch.ts';
import { PROTOCOL_VERSION } from '../../src/domain/protocol.ts';
import type { AgentHello, WorkerMessage } from '../../src/domain/protocol.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEADLINE_MS = 20_000;

export type Received = WorkerMessage & { readonly body: Buffer };
export type ReceivedOf<M extends WorkerMessage['m']> = Extract<WorkerMessage, { readonly m: M }> & {
  readonly body: Buffer;
};

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Folders of one test file: the built host, and a fresh folder per test. `remove` when done. */
export class Workshop {
  readonly folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'parallelrun-worker-')));
  readonly #agents: Agent[] = [];

  async buildHost(): Promise<void> {
    symlinkSync(path.join(ROOT, 'node_modules'), path.join(this.folder, 'node_modules'));
    writeFileSync(path.join(this.folder, 'package.json'), '{"type":"module"}');
    await build({
      entryPoints: [path.join(ROOT, 'src/worker/main.ts'), path.join(ROOT, 'src/worker/stackdump.ts')],
      outdir: path.join(this.folder, 'worker'),
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
    });
  }

  /** A code folder with these files. */
  code(files: Readonly<Record<string, string>>): string {
    const folder = mkdtempSync(path.join(this.folder, 'code-'));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
    return folder;
  }

  start(script: string, hello: Partial<AgentHello> = {}, nodeFlags: readonly string[] = []): Agent {
    const agent = new Agent(this.folder, script, hello, nodeFlags);
    this.#agents.push(agent);
    return agent;
  }

  /** Writes one script and starts a worker on it. */
  script(text: string, hello: Partial<AgentHello> = {}, name = 'score.mjs'): Agent {
    return this.start(path.join(this.code({ [name]: text }), name), hello);
  }

  async endAll(): Promise<void> {
    await Promise.all(this.#agents.splice(0).map((agent) => agent.kill()));
  }

  async remove(): Promise<void> {
    await this.endAll();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class Agent {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly partFolder: string;
  readonly exited: Promise<Exit>;
  readonly received: Received[] = [];
  readonly #channel: Duplex;
  readonly #waiting = new Set<() => void>();
  #ended: Exit | undefined;

  constructor(workshop: string, script: string, hello: Partial<AgentHello>, nodeFlags: readonly string[]) {
    this.folder = mkdtempSync(path.join(workshop, 'worker-'));
    this.partFolder = path.join(this.folder, 'parts');
    const workFolder = path.join(this.folder, 'work');
    mkdirSync(this.partFolder);
    mkdirSync(workFolder);
    const out = openSync(this.#file('stdout'), 'a');
    const error = openSync(this.#file('stderr'), 'a');
    this.child = spawn(
      process.env['PARALLELRUN_TEST_NODE'] ?? process.execPath,
      [...nodeFlags, path.join(workshop, 'worker/main.js')],
      {
        stdio: ['ignore', out, error, 'pipe'],
        cwd: workFolder,
        detached: true,
      },
    );
    closeSync(out);
    closeSync(error);
    this.#channel = this.child.stdio[3] as Duplex;
    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        this.#ended = { code, signal };
        resolve(this.#ended);
        this.#notify();
      });
    });
    const decoder = new FrameDecoder();
    this.#channel.on('data', (chunk: Buffer) => {
      decoder.push(chunk);
      for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
        this.received.push({ ...(frame.header as unknown as WorkerMessage), body: Buffer.from(frame.body) });
      }
      this.#notify();
    });
    this.#channel.on('error', () => undefined);
    this.send({
      m: 'hello',
      protocol: PROTOCOL_VERSION,
      runId: 'r1',
      process: 'Process-1',
      address: '10.0.0.1',
      codeFolder: path.dirname(script),
      script,
      moduleName: 'score',
      argv: [],
      runFolder: this.folder,
      workFolder,
      output: { action: 'append_row', format: 'txt' },
      partFolder: this.partFolder,
      tables: [],
      loggingLevel: 'INFO',
      ...hello,
    });
  }

  send(header: object, body?: Uint8Array): void {
    this.#channel.write(encodeFrame(header, body));
  }

  sendRaw(bytes: Uint8Array): void {
    this.#channel.write(bytes);
  }

  run(
    index: number,
    source: MiniBatchSource | readonly string[],
    dispatch = 1,
    attempt = 1,
    p?: readonly [from: number, to: number],
  ): void {
    const full: MiniBatchSource = 'kind' in source ? source : { kind: 'files', root: '/data', files: source };
    const json = JSON.stringify(full);
    this.send({ m: 'run', i: index, d: dispatch, t: attempt, ...(p && { p }) }, Buffer.from(json));
  }

  /** Resolves when everything sent so far is with the kernel. */
  flush(): Promise<void> {
    return new Promise((resolve) => this.#channel.write(new Uint8Array(0), () => resolve()));
  }

  stop(): void {
    this.send({ m: 'stop' });
  }

  closeChannel(): void {
    this.#channel.destroy();
  }

  /** The n-th message of a kind, from 0. Fails loudly where the worker ends first. */
  async message<M extends WorkerMessage['m']>(kind: M, n = 0): Promise<ReceivedOf<M>> {
    const find = (): Received | undefined => this.received.filter((message) => message.m === kind)[n];
    await this.until(() => find() !== undefined, `message ${kind} ${n}`);
    return find() as ReceivedOf<M>;
  }

  /** Waits for a condition on what was received. */
  async until(condition: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS;
    while (!condition()) {
      if (this.#ended !== undefined || Date.now() > deadline) {
        throw new Error(
          `no ${what}; received ${this.received.map((m) => m.m).join(' ')}; ${JSON.stringify(this.#ended)}; stderr: ${this.stderr()}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(wake, 100);
        const waiting = this.#waiting;
        function wake(): void {
          clearTimeout(timer);
          waiting.delete(wake);
          resolve();
        }
        waiting.add(wake);
      });
    }
  }

  stdout(): string {
    return readFileSync(this.#file('stdout'), 'utf8');
  }

  stderr(): string {
    return readFileSync(this.#file('stderr'), 'utf8');
  }

  get stderrFile(): string {
    return this.#file('stderr');
  }

  async kill(): Promise<void> {
    if (this.#ended === undefined) this.child.kill('SIGKILL');
    await this.exited;
  }

  #file(name: string): string {
    return path.join(this.folder, name);
  }

  #notify(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

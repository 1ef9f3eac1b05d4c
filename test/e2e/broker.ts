/** A real broker and agents for tests: each with a folder of its own, killed as machines die. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLI } from './rig.ts';

const SERVER = fileURLToPath(new URL('../../.cache/nats/venv/bin/nats-server', import.meta.url));
export const WHY_NO_BROKER = existsSync(SERVER) ? undefined : 'nats-server is not in .cache/nats';

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export class TestBroker {
  readonly folder = mkdtempSync(join(tmpdir(), 'nats-'));
  readonly port: number;
  readonly #config: string;
  #process: ChildProcess | undefined;

  private constructor(port: number, config: string) {
    this.port = port;
    this.#config = config;
  }

  /** @param config lines besides port and storage */
  static async start(config = ''): Promise<TestBroker> {
    const broker = new TestBroker(await freePort(), config);
    await broker.start();
    return broker;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const file = join(this.folder, 'nats.conf');
    const store = join(this.folder, 'data');
    writeFileSync(
      file,
      `listen: 127.0.0.1:${this.port}\njetstream { store_dir: "${store}", sync_interval: always }\n${this.#config}\n`,
    );
    this.#process = spawn(SERVER, ['-c', file], { stdio: 'ignore' });
    for (let i = 0; i < 200 && !(await answers(this.port)); i++)
      await new Promise((resolve) => setTimeout(resolve, 25));
  }

  async kill(): Promise<void> {
    const server = this.#process;
    if (server?.exitCode !== null || server.signalCode !== null) return;
    const gone = once(server, 'exit');
    server.kill('SIGKILL');
    await gone;
  }

  /** Nothing of what it had is left. It must be dead. */
  wipe(): void {
    rmSync(join(this.folder, 'data'), { recursive: true, force: true });
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

export class TestAgent {
  readonly address: string;
  readonly process: ChildProcess;
  readonly workFolder: string;
  said = '';

  constructor(url: string, address: string, folder: string, ...flags: readonly string[]) {
    this.address = address;
    this.workFolder = join(folder, `work-${address}`);
    mkdirSync(this.workFolder, { recursive: true });
    const args = ['agent', '--advertise', address, '--work-folder', this.workFolder, ...flags];
    // as a person with a password does it: arguments are for all eyes
    const env = { ...process.env, PARALLELRUN_ENGINE: url };
    this.process = spawn(process.execPath, [CLI, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    }
  }

  async kill(): Promise<void> {
    if (this.isOver) return;
    const gone = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await gone;
  }

  /** As a person or a scheduler ends it. @returns its exit code */
  async leave(): Promise<number | null> {
    if (this.isOver) return this.process.exitCode;
    const gone = once(this.process, 'exit') as Promise<[number | null]>;
    this.process.kill('SIGTERM');
    return (await gone)[0];
  }

  get isOver(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }
}

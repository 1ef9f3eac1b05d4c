/**
 * Where a hung worker hangs, asked without any help of the user's code. Python answers a signal with the stacks of all
 * threads on its stderr. Node answers its inspector: a small program of the worker host (`stackdump.js`) opens it,
 * stops the loop and prints the stack.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Capture } from './capture.ts';
import type { HostCommand } from './options.ts';
import { listStats, readText, treeOf } from './procfs.ts';

const TEXT_BYTES_MAX = 64 * 1024;

/** Time to answer; the kill that follows must come within a second of the limit. Starting a program takes most of Node's. */
export const DUMP_MS: Readonly<Record<HostCommand['language'], number>> = { python: 250, node: 650 };

/** Flags before the host script without which Node's inspector could not be opened later, or not be found. */
export function inspectorFlags(language: HostCommand['language']): readonly string[] {
  return language === 'node' ? ['--inspect-port=127.0.0.1:0', '--inspect-publish-uid=stderr'] : [];
}

export interface DumpTarget {
  readonly host: HostCommand;
  readonly pid: number;
  readonly capture: Capture;
  /** SIGUSR1 to the worker. */
  readonly signal: () => void;
  /** The answer is complete: nothing is to be waited for. */
  readonly answered: () => void;
}

/** SIGUSR1 as the kernel counts it in its masks. */
const USR1_BIT = 1n << 9n;

/** Behind a command it is a child of it that answers; whoever doesn't expect the signal would die of it. */
export function signalCatchers(root: number): void {
  for (const { pid } of treeOf(root, listStats())) {
    const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readText(`/proc/${pid}/status`) ?? '')?.[1] ?? '0';
    if ((BigInt(`0x${mask}`) & USR1_BIT) === 0n) continue;
    try {
      process.kill(pid, 'SIGUSR1');
    } catch {
      // gone, or of another user
    }
  }
}

export class StackDump {
  readonly #capture: Capture;
  /** Where stderr was when it was asked. */
  readonly from: number;
  #child: ChildProcess | undefined;
  #text = '';

  constructor(target: DumpTarget) {
    this.#capture = target.capture;
    [, this.from] = target.capture.ends();
    if (target.host.language === 'python') target.signal();
    else this.#askInspector(target);
  }

  /** What came by now; undefined where nothing came. Ends the asking. */
  take(): string | undefined {
    if (!this.#child) return this.#capture.stderrSince(this.from);
    this.#child.kill('SIGKILL');
    return this.#text.trimEnd() === '' ? undefined : this.#text.trimEnd();
  }

  #askInspector({ host, pid, capture, answered }: DumpTarget): void {
    const script = join(dirname(host.args.at(-1) ?? ''), 'stackdump.js');
    const [, stderrFile] = capture.paths;
    if (!existsSync(script) || stderrFile === undefined) return;
    const child = spawn(process.execPath, [script, String(pid), stderrFile], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {},
    });
    this.#child = child;
    child.on('error', () => undefined);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (this.#text.length < TEXT_BYTES_MAX) this.#text += text;
    });
    child.stdout.once('end', () => {
      if (this.#text !== '') answered();
    });
  }
}

import { unreachable } from '../domain/assert.ts';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Env } from './cache.ts';

export type CommandEnd =
  | { readonly ended: 'exit'; readonly code: number }
  | { readonly ended: 'signal'; readonly signal: string }
  | { readonly ended: 'not-started'; readonly reason: string }
  | { readonly ended: 'canceled' }
  | { readonly ended: 'timeout' };

export interface CommandOptions {
  readonly env: Env;
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
  /** Kills after so long; no limit without it. */
  readonly timeoutMs?: number;
  /** What it reads; default nothing. */
  readonly input?: string;
  /** Called for every line of standard output and error. */
  readonly onLine: (line: string) => void;
}

/** Time between the polite signal and the one that can't be refused. */
const KILL_AFTER_MS = 2000;

/**
 * Runs a program to its end, in a process group of its own so that its children end with it. Never throws.
 * Standard input is empty: an installer that wants to ask something fails instead of waiting for ever.
 */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandEnd> {
  if (options.signal?.aborted) return { ended: 'canceled' };
  const child = spawn(command, args, {
    env: { ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  // One that doesn't read to the end says what it says all the same.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(options.input);
  let killed: 'canceled' | 'timeout' | undefined;
  let escalation: NodeJS.Timeout | undefined;
  const kill = (why: 'canceled' | 'timeout') => {
    killed ??= why;
    killGroup(child.pid, 'SIGTERM');
    escalation ??= setTimeout(() => killGroup(child.pid, 'SIGKILL'), KILL_AFTER_MS);
  };
  const onAbort = () => kill('canceled');
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const limit = options.timeoutMs === undefined ? undefined : setTimeout(() => kill('timeout'), options.timeoutMs);
  try {
    // A program that leaves a grandchild behind on its pipes must not hold us: after its exit only what is there counts.
    const lines = Promise.all([readLines(child.stdout, options.onLine), readLines(child.stderr, options.onLine)]);
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    if (killed) killGroup(child.pid, 'SIGKILL');
    await Promise.race([lines, pause(KILL_AFTER_MS)]);
    if (killed) return { ended: killed };
    return code === null ? { ended: 'signal', signal: signal ?? 'unknown' } : { ended: 'exit', code };
  } catch (error) {
    return { ended: 'not-started', reason: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(limit);
    clearTimeout(escalation);
    options.signal?.removeEventListener('abort', onAbort);
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

export function describeEnd(end: CommandEnd): string {
  switch (end.ended) {
    case 'exit':
      return `exit code ${end.code}`;
    case 'signal':
      return `ended by ${end.signal}`;
    case 'not-started':
      return end.reason;
    case 'canceled':
      return 'canceled';
    case 'timeout':
      return 'no answer in time';
    default:
      return unreachable(end);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Already gone.
  }
}

async function readLines(stream: Readable | null, onLine: (line: string) => void): Promise<void> {
  if (stream === null) return;
  const reader = createInterface({ input: stream, crlfDelay: Infinity });
  reader.on('line', (line) => {
    if (line.trim() !== '') onLine(line.trimEnd());
  });
  await once(reader, 'close');
}

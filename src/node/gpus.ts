/** NVIDIA GPUs of this node: how many, and a stream of readings. Written to the tool's documented output; not run on one. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { GpuReading } from './samples.ts';

/** 0 where there is no driver. */
export function countGpus(): number {
  const byDriver = countEntries('/proc/driver/nvidia/gpus', /./);
  return byDriver > 0 ? byDriver : countEntries('/dev', /^nvidia\d+$/);
}

function countEntries(folder: string, pattern: RegExp): number {
  try {
    return readdirSync(folder).filter((name) => pattern.test(name)).length;
  } catch {
    return 0;
  }
}

/** `0, 37, 1024, 16384`: index, utilisation in percent, memory used and total in MiB. What is not a number is 0. */
export function parseGpuLine(line: string): { readonly index: number; readonly reading: GpuReading } | undefined {
  const [index, utilisation, used, total] = line.split(',').map((cell) => Number(cell.trim()));
  if (index === undefined || total === undefined || !Number.isInteger(index) || index < 0) return undefined;
  const known = (n: number | undefined): number => (n !== undefined && Number.isFinite(n) ? n : 0);
  const reading = { utilisationPercent: known(utilisation), memoryUsedMB: known(used), memoryTotalMB: known(total) };
  return { index, reading };
}

/** One long-lived `nvidia-smi`, since starting one per sample costs more than everything else. */
export class GpuWatch {
  readonly latest: (GpuReading | undefined)[];
  readonly #child: ChildProcess | undefined;

  constructor(gpus: number, intervalMs: number) {
    this.latest = new Array<GpuReading | undefined>(gpus).fill(undefined);
    if (gpus === 0) return;
    const child = spawn(
      'nvidia-smi',
      [
        '--query-gpu=index,utilization.gpu,memory.used,memory.total',
        '--format=csv,noheader,nounits',
        `--loop-ms=${intervalMs}`,
      ],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    child.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => this.#take(line));
    this.#child = child;
  }

  stop(): void {
    this.#child?.kill('SIGKILL');
  }

  #take(line: string): void {
    const parsed = parseGpuLine(line);
    if (parsed && parsed.index < this.latest.length) this.latest[parsed.index] = parsed.reading;
  }
}

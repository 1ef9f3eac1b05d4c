/**
 * Peak memory of the orchestrator over 10,000 and 100,000 tiny files with a no-op script, and the time from the
 * command to the first mini-batch. `node bench/memory.mjs [rounds]`; prints medians and the ratio.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const ROUNDS = Number(process.argv[2] ?? 5);
const folder = mkdtempSync(join(tmpdir(), 'bench-memory-'));
mkdirSync(join(folder, 'code'));
writeFileSync(join(folder, 'code/noop.py'), 'def run(mini_batch):\n    return mini_batch\n');
for (const count of [10_000, 100_000]) {
  mkdirSync(join(folder, `f${count}`));
  for (let i = 0; i < count; i++) writeFileSync(join(folder, `f${count}`, `file${String(i).padStart(6, '0')}.txt`), '');
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function run(count) {
  return new Promise((resolve) => {
    rmSync(join(folder, 'runs'), { recursive: true, force: true });
    const args = ['run', '--entry-script', 'code/noop.py', '--input', `f${count}`, '--processes', '2', '--name', 'n'];
    const started = Date.now();
    const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, stdio: 'ignore' });
    let peakKiB = 0;
    const timer = setInterval(() => {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peakKiB = Math.max(peakKiB, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    }, 5);
    child.on('exit', (code) => {
      clearInterval(timer);
      if (code !== 0) throw new Error(`exit code ${code}`);
      resolve({ peakMiB: peakKiB / 1024, firstMs: firstStart() - started });
    });
  });
}

function firstStart() {
  const logs = join(folder, 'runs/n/logs/worker');
  const starts = readdirSync(logs).flatMap((ip) =>
    readdirSync(join(logs, ip)).map((file) => /start1=(\S+)/.exec(readFileSync(join(logs, ip, file), 'utf8'))?.[1]),
  );
  return Math.min(...starts.filter(Boolean).map((text) => Date.parse(text)));
}

const results = { 10_000: [], 100_000: [] };
for (let round = 0; round < ROUNDS; round++)
  for (const count of [10_000, 100_000]) results[count].push(await run(count));
rmSync(folder, { recursive: true, force: true });
for (const count of [10_000, 100_000]) {
  const peaks = results[count].map((r) => r.peakMiB);
  const firsts = results[count].map((r) => r.firstMs);
  console.log(
    `${count} files: peak ${median(peaks).toFixed(1)} MiB (${Math.min(...peaks).toFixed(1)} to ${Math.max(...peaks).toFixed(1)}), first mini-batch after ${median(firsts)} ms`,
  );
}
const ratio = median(results[100_000].map((r) => r.peakMiB)) / median(results[10_000].map((r) => r.peakMiB));
console.log(`ratio of the peaks, median of ${ROUNDS}: ${ratio.toFixed(3)}`);

/** Runs a command and looks at what it and all below it use. Figures come from /proc; elsewhere they are missing. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { clearInterval, setInterval } from 'node:timers';

const CPU_LOOK_MS = 20;
/** Every so many looks at the root one at all below it: dearer. */
const TREE_EVERY = 5;
const TICKS_A_SECOND = 100;
const KEPT_CHARACTERS = 64 * 1024;
const LEFTOVER_MS = 3000;

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Processor seconds of one process with all its threads, without its children. */
function cpuSeconds(pid) {
  const fields = read(`/proc/${pid}/stat`)?.split(') ').at(-1).split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Peak of the resident memory, MiB. */
function peakMiB(pid) {
  const kib = /VmHWM:\s+(\d+)/.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) / 1024;
}

/** All below `pid`, without itself. */
function descendants(pid) {
  let threads;
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  const children = threads.flatMap((id) => (read(`/proc/${pid}/task/${id}/children`) ?? '').split(' ').filter(Boolean));
  return children.flatMap((child) => [Number(child), ...descendants(child)]);
}

function kill(pids) {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

/**
 * @param options.limitSeconds after which the command and all below it are killed
 * @returns `seconds` from start to end, `cpu` seconds of the command alone, peaks of memory in MiB: `peak` of the command,
 *   `below` of each process below it; `startedAt` in ms since the epoch
 */
export function runMeasured(command, args, { limitSeconds, cwd, env }) {
  return new Promise((resolve) => {
    const startedAt = Date.now();
    const from = performance.now();
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const below = new Map();
    let [cpu, peak, looks, over] = [0, 0, 0, false];
    const look = () => {
      cpu = cpuSeconds(child.pid) ?? cpu;
      peak = peakMiB(child.pid) ?? peak;
      if (looks++ % TREE_EVERY === 0)
        for (const pid of descendants(child.pid)) below.set(pid, peakMiB(pid) ?? below.get(pid));
    };
    const timer = setInterval(look, CPU_LOOK_MS);
    const limit = setTimeout(() => {
      over = true;
      kill([...descendants(child.pid), child.pid]);
    }, limitSeconds * 1000);
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => {
        output[name] = (output[name] + text).slice(-KEPT_CHARACTERS);
      });
    let [seconds, settled] = [undefined, false];
    const done = (result) => {
      if (settled) return;
      settled = true;
      clearInterval(timer);
      clearTimeout(limit);
      resolve({ startedAt, seconds, cpu, peak, below: [...below.values()].filter(Boolean), ...output, ...result });
    };
    const ended = (code, signal) => {
      if (over) done({ failed: `no end after ${limitSeconds} s` });
      else done(code === 0 ? {} : { failed: `${signal ?? `exit code ${code}`}: ${lastLine(output)}` });
    };
    child.on('error', (error) => done({ failed: `${command} could not be started: ${error.message}` }));
    child.on('exit', (code, signal) => {
      seconds = (performance.now() - from) / 1000;
      // What the command leaves behind may hold its pipes for ever.
      setTimeout(() => ended(code, signal), LEFTOVER_MS).unref();
    });
    child.on('close', ended);
  });
}

function lastLine({ stdout, stderr }) {
  const lines = (stderr.trim() || stdout.trim()).split('\n');
  return (lines.findLast((line) => /Error|Exception|PR\d{4}/.test(line)) ?? lines.at(-1) ?? '').trim().slice(0, 200);
}

#!/usr/bin/env node
/** Puts the real world into the command line. Only what every start needs is loaded here: see `dist/cli/main.js --version`. */
import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';
import type { CliDeps, CliSdk } from './deps.ts';
import { keepHeapSmall } from './memory.ts';
import { streamOutput } from './output.ts';
import { createProgram } from './program.ts';
import type { StopSignal } from './signals.ts';

/** Without a terminal there is none to hang up: under `nohup` a run must outlive it (Node forgets that HUP was ignored). */
const HAS_TERMINAL = [0, 1, 2].some((fd) => isatty(fd));
const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

function versionOfPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const found: unknown = JSON.parse(text);
  return typeof found === 'object' && found !== null && 'version' in found ? String(found.version) : 'unknown';
}

const deps: CliDeps = {
  sdk: async (): Promise<CliSdk> => import('../sdk/index.ts'),
  stdout: streamOutput(process.stdout),
  stderr: streamOutput(process.stderr),
  env: process.env,
  cwd: process.cwd(),
  version: versionOfPackage(),
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(ms, callback, every) {
    const timer = every === undefined ? setTimeout(callback, ms) : setInterval(callback, ms);
    return () => clearTimeout(timer);
  },
  onSignal(listener) {
    const take = (signal: NodeJS.Signals): void => {
      const known = SIGNALS.find((name) => name === signal);
      if (known === undefined || (known === 'SIGHUP' && !HAS_TERMINAL)) return;
      listener(known);
    };
    for (const signal of SIGNALS) process.on(signal, take);
    return () => {
      for (const signal of SIGNALS) process.removeListener(signal, take);
    };
  },
  leave: (exitCode) => process.exit(exitCode),
};

keepHeapSmall();
const exitCode = await createProgram(deps).main(process.argv.slice(2));
// What was written last must be out before the end; a reader that has gone resolves this too.
await Promise.all([deps.stdout.flush(), deps.stderr.flush()]);
process.exit(exitCode);

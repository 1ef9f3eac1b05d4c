/**
 * A small shell that outlives a killed agent: it waits on a pipe that only the agent holds, and when the agent dies
 * without a word it kills whatever carries the session marker, `setsid`'ed grandchildren included. (Workers
 * themselves die with the agent by their own means; what they started does not.)
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { SESSION_MARKER } from './environment.ts';

const FAREWELL = 'bye\n';

// `$1`: the marker as it stands in an environment. Two empty rounds in a row end the hunt, ten rounds in any case.
// `$2`, `$3`: a file that the agent writes to each second, and how many seconds without a change are too many.
const SCRIPT = `
hunt() {
  empty=0
  for round in 1 2 3 4 5 6 7 8 9 10; do
    found=0
    for folder in /proc/[0-9]*; do
      if grep -qzxF "$1" "$folder/environ" 2>/dev/null; then
        kill -9 "\${folder#/proc/}" 2>/dev/null && found=1
      fi
    done
    if [ "$found" = 0 ]; then empty=$((empty + 1)); else empty=0; fi
    [ "$empty" = 2 ] && return
    sleep 0.1
  done
}
watch() {
  before=none
  same=0
  while sleep 1; do
    now=gone
    [ -r "$2" ] && read -r now < "$2"
    if [ "$now" = "$before" ]; then same=$((same + 1)); else same=0; fi
    before=$now
    [ "$same" -ge "$3" ] && hunt "$1" && same=0
  done
}
if [ -n "$2" ]; then
  watch "$@" < /dev/null &
  watcher=$!
fi
read -r word
[ -n "$watcher" ] && kill "$watcher"
[ "$word" = bye ] && exit 0
hunt "$1"
`;

export interface Guard {
  /** The agent ends in order: nothing is left to kill. Resolves when the guard has gone. */
  dismiss(): Promise<void>;
}

const NO_GUARD: Guard = { dismiss: () => Promise.resolve() };

/** An agent that does not write to the file for so long is stopped: its workers die, for others have their work by then. */
export interface Fence {
  /** Absolute. */
  readonly file: string;
  readonly seconds: number;
}

/** Without `/proc` there is nothing it could look at, and none is started. Never keeps this process alive. */
export function startGuard(session: string, fence?: Fence): Guard {
  if (!existsSync('/proc/self/environ')) return NO_GUARD;
  const watched = fence ? [fence.file, String(fence.seconds)] : [];
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'parallelrun-guard', `${SESSION_MARKER}=${session}`, ...watched], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  unrefPipe(child);
  return { dismiss: () => dismiss(child) };
}

/** Pipes of children are sockets, which their type does not say. */
function unrefPipe(child: ChildProcess): void {
  if (child.stdin instanceof Socket) child.stdin.unref();
}

function dismiss(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
    child.ref();
    child.stdin?.end(FAREWELL);
  });
}

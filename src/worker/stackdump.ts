/**
 * Shows where a worker hangs: `node stackdump.js <pid> <file of its standard error>` prints its JavaScript stack.
 *
 * A process that is busy in JavaScript answers no signal handler of its own, and writes no diagnostic report. Its
 * inspector does answer, from a thread of its own: SIGUSR1 opens it (on a port of its choice where the process was
 * started with `--inspect-port=127.0.0.1:0 --inspect-publish-uid=stderr`), it says on standard error where it
 * listens, and `Debugger.pause` interrupts any loop. The worker is left paused or running: it is about to be killed.
 * Always exits with code 0 within `DEADLINE_MS`; what cannot be found out is said in the text.
 */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { InspectorClient } from './inspector-client.ts';
import { formatFrames, isInFiles } from './paused.ts';
import type { PausedFrame } from './paused.ts';

const DEADLINE_MS = 4000;
/** How long the inspector is given to open; it needs the main thread for that, which may sit in a system call. */
const OPEN_MS = 1500;
/** How long a busy process is given to stop; JavaScript stops within microseconds. */
const PAUSE_MS = 800;
const POLL_MS = 20;
const LISTENING = /Debugger listening on (ws:\/\/\S+)/;

async function dump(pid: number, stderrFile: string): Promise<string> {
  const from = sizeOf(stderrFile);
  process.kill(pid, 'SIGUSR1');
  const url = await Promise.race([listeningUrl(stderrFile, from), sleep(OPEN_MS)]);
  if (url === undefined) return nativeCode(pid);
  const client = new InspectorClient();
  await client.connect(url);
  const scripts = new Map<string, string>();
  client.on('Debugger.scriptParsed', (script) => {
    const { scriptId, url: place } = script as { readonly scriptId: string; readonly url: string };
    scripts.set(scriptId, place);
  });
  const paused = new Promise<readonly PausedFrame[]>((resolve) => {
    client.on('Debugger.paused', (event) =>
      resolve((event as { readonly callFrames: readonly PausedFrame[] }).callFrames),
    );
  });
  // not awaited: a process that sits in a system call answers neither
  const asked = Promise.all([client.call('Debugger.enable'), client.call('Debugger.pause')]).then(() => true);
  const frames = await Promise.race([paused, sleep(PAUSE_MS)]);
  if (frames !== undefined) {
    const urlOf = (scriptId: string): string | undefined => scripts.get(scriptId);
    // stopped in Node's own code with nothing of the script below: that is how the signal itself is handled
    return isInFiles(frames, urlOf) ? formatFrames(frames, urlOf) : waiting(client);
  }
  const answers = await Promise.race([asked, sleep(1, false)]);
  return answers ? waiting(client) : nativeCode(pid);
}

/** Linux names the function of the kernel that a process sleeps in: a pipe, a file system, a lock. */
function nativeCode(pid: number): string {
  let place = '';
  try {
    place = readFileSync(`/proc/${pid}/wchan`, 'latin1');
  } catch {
    // not on this system, or not for us
  }
  const asleep = place === '' || place === '0' ? '' : ` It sleeps in the kernel, in ${place}.`;
  return `The process is inside a system call or native code, no JavaScript is running.${asleep}`;
}

/** The event loop turns, no JavaScript runs: an asynchronous `run` waits for something. */
async function waiting(client: InspectorClient): Promise<string> {
  await client.call('Debugger.disable');
  const expression = 'process.getActiveResourcesInfo().join(", ")';
  const found = (await client.call('Runtime.evaluate', { expression })) as {
    readonly result: { readonly value?: unknown };
  };
  const resources = typeof found.result.value === 'string' ? found.result.value : '';
  return [
    'No JavaScript is running: the event loop is idle, an asynchronous function waits for a promise that does not settle.',
    // the channel to the agent is one of them
    `What keeps the process alive: ${resources === '' ? 'nothing' : resources}.`,
  ].join('\n');
}

async function listeningUrl(file: string, from: number): Promise<string> {
  for (;;) {
    const found = LISTENING.exec(textFrom(file, from));
    if (found?.[1] !== undefined) return found[1];
    await sleep(POLL_MS);
  }
}

function sizeOf(file: string): number {
  return withFile(file, (descriptor) => fstatSync(descriptor).size);
}

function textFrom(file: string, from: number): string {
  return withFile(file, (descriptor) => {
    const bytes = Buffer.alloc(64 * 1024);
    return bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, bytes.length, from));
  });
}

function withFile<T>(file: string, use: (descriptor: number) => T): T {
  const descriptor = openSync(file, 'r');
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function leave(text: string): void {
  process.stdout.write(`${text}\n`, () => process.exit(0));
}

const [pid, stderrFile] = process.argv.slice(2);
setTimeout(
  () => leave('The process did not answer its inspector: it is inside a system call or native code.'),
  DEADLINE_MS,
);
dump(Number(pid), stderrFile ?? '').then(leave, (error: unknown) =>
  leave(`The stack could not be read: ${String(error)}`),
);

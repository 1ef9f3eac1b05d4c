/**
 * The Node worker host: runs one TypeScript or JavaScript entry script for an agent, which talks to it through
 * descriptor 3. Started as `node [flags] main.js`; the protocol is described in `docs/protocol.md`.
 */
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { Channel } from './channel.ts';
import { FaultWatch } from './faults.ts';
import { Host } from './host.ts';
import { Mailbox } from './mailbox.ts';
import { readStack } from './stack.ts';

const CHANNEL_DESCRIPTOR = 3;
/** Time `shutdown` has when the agent is gone: nobody waits for it any more, nobody else would end it. */
const ORPHAN_SHUTDOWN_MS = 5000;
/** Depth of the stacks that scripts' errors carry; V8's own default of 10 often ends inside a library. */
const STACK_FRAMES = 50;

const exit = process.exit.bind(process);

function main(): void {
  process.setSourceMapsEnabled(true);
  Error.stackTraceLimit = STACK_FRAMES;
  printsOnFullDisksAreLost();
  const mailbox = new Mailbox();
  const faults = new FaultWatch((error) => say(`an error outside of run(): ${inspect(error)}`));
  faults.install();
  const channel = new Channel(CHANNEL_DESCRIPTOR, {
    onFrames: (frames) => frames.forEach((frame) => mailbox.put(frame)),
    onClose: (broken) => {
      if (broken !== undefined) say(`the agent broke the protocol: ${broken.message}`);
      // user code under way works for nobody now
      if (broken !== undefined || (host.stage !== 'idle' && host.stage !== 'shutdown')) leave(1);
      setTimeout(() => leave(1), ORPHAN_SHUTDOWN_MS);
      mailbox.stop();
    },
  });
  const host = new Host(channel, mailbox, faults);
  process.on('exit', function explain(code) {
    explainExit(host, code, explain);
  });
  const leave = (code: number): never => {
    host.stage = 'over';
    return exit(code);
  };
  host.work().then(leave, (error: unknown) => {
    if (!isGone(error)) say(`the worker host failed: ${inspect(error)}`);
    leave(1);
  });
}

/** As all logs are then: `process.stdout.write` must not fail a mini-batch for it. `console.log` never does. */
function printsOnFullDisksAreLost(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') throw error;
    });
  }
}

/** The agent will report a lost worker; what took it away is visible only from here. */
function explainExit(host: Host, code: number, handler: (code: number) => void): void {
  if (host.stage === 'over') return;
  const during = host.stage === 'run' ? `run() of mini-batch ${host.index}` : host.stage;
  const here = { stack: '' };
  Error.captureStackTrace(here, handler);
  const lines = readStack(here.stack).lines.filter((line) => !line.includes('(node:'));
  say([`the entry script ended the process during ${during}, exit code ${code}`, ...lines].join('\n'));
}

function say(text: string): void {
  try {
    writeSync(2, `parallelrun: ${text}\n`);
  } catch {
    // standard error may be closed by the script; there is no other place to say it
  }
}

/** The channel broke under a write: the agent is gone, and so is everybody who would read a message about it. */
function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EPIPE' || error.code === 'ECONNRESET');
}

main();

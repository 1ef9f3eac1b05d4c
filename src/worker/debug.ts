import { Session, open, url, waitForDebugger as waitForClient } from 'node:inspector';
import type { EntryFunctions } from '../domain/entry.ts';
import type { LoadedEntry } from './entry.ts';

/**
 * Opens a debug port on this machine only, waits until somebody has attached, and has the program stop on the first
 * line of `run` when it is called for the first time.
 *
 * @param listening called with the address to attach to, `ws://127.0.0.1:...`.
 * @returns the functions to call instead of those given.
 */
export async function waitForDebugger(
  loaded: Extract<LoadedEntry, { readonly ok: true }>,
  port: number,
  listening: (url: string) => void,
): Promise<EntryFunctions> {
  open(port, '127.0.0.1');
  listening(url() ?? `ws://127.0.0.1:${port}`);
  waitForClient();
  const session = new Session();
  session.connect();
  await breakOnCall(session, loaded.written);
  return { ...loaded.entry, run: stoppingOnce(session, loaded.entry.run) };
}

function stoppingOnce(session: Session, run: EntryFunctions['run']): EntryFunctions['run'] {
  let calls = 0;
  // named like the host's own caller, where a stack text is cut
  return function callEntryScript(...given) {
    calls += 1;
    // the breakpoint goes with its session; those of the person who has attached stay
    if (calls === 2) session.disconnect();
    return run(...given);
  };
}

/** A place for the function where the inspector's own session can name it; gone before user code runs. */
const HANDLE = Symbol.for('parallelrun.debug.run');

async function breakOnCall(session: Session, run: (...args: unknown[]) => unknown): Promise<void> {
  const post = (method: string, parameters: object = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      session.post(method, parameters, (error, result) => (error === null ? resolve(result) : reject(error)));
    });
  Reflect.set(globalThis, HANDLE, run);
  try {
    await post('Debugger.enable');
    const found = await post('Runtime.evaluate', { expression: `globalThis[Symbol.for('parallelrun.debug.run')]` });
    await post('Debugger.setBreakpointOnFunctionCall', { objectId: objectIdOf(found) });
  } finally {
    Reflect.deleteProperty(globalThis, HANDLE);
  }
}

function objectIdOf(evaluated: unknown): string {
  const { result } = evaluated as { readonly result: { readonly objectId?: string } };
  if (result.objectId === undefined) throw new TypeError('run is no function');
  return result.objectId;
}

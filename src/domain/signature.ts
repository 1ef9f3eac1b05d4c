/** What makes two failures the same error: exception type and the script's own frames, or kind and facts. */
import { unreachable } from './assert.ts';
import type { ExceptionFacts, ExitFacts, StackFrame, StartFailure, TryFailure } from './failure.ts';

/** Deep recursion must not make signatures long, nor make each depth an error of its own. */
const FRAMES_MAX = 8;

const frameKey = (frame: StackFrame): string => `${frame.file}:${frame.function}:${frame.line}`;

function exceptionKey(facts: ExceptionFacts): string {
  const own = facts.frames.filter((frame) => frame.own);
  const frames = own.length > 0 ? own : facts.frames.slice(-1);
  const keys = frames.map(frameKey).filter((key, place, all) => key !== all[place - 1]);
  // Without any frame (a syntax error at import) the message is what tells errors apart.
  if (keys.length === 0) return `${facts.exceptionType}|${facts.message.slice(0, 200)}`;
  return `${facts.exceptionType}|${keys.slice(-FRAMES_MAX).join('|')}`;
}

function exitKey(exit: ExitFacts): string {
  if (exit.by === 'code') return `code ${exit.code}`;
  return exit.outOfMemory ? 'out of memory' : exit.signal;
}

export function signatureOf(failure: TryFailure | StartFailure): string {
  switch (failure.kind) {
    case 'exception':
    case 'unencodable-row':
    case 'load-exception':
    case 'init-exception':
      return `${failure.kind}|${exceptionKey(failure)}`;
    case 'invalid-return':
      return `${failure.kind}|${failure.returned}|${failure.frame === undefined ? '' : frameKey(failure.frame)}`;
    case 'input-error':
      return `${failure.kind}|${failure.errno ?? failure.reason.replaceAll(failure.path, '').replaceAll(/\d+/g, '#').slice(0, 100)}`;
    case 'timeout':
    case 'overhead-timeout':
    case 'load-timeout':
    case 'init-timeout':
      return `${failure.kind}|${failure.limitMs}`;
    case 'worker-lost':
      return `${failure.kind}|${exitKey(failure.exit)}`;
    case 'exit':
      return `${failure.kind}|${failure.stage}|${exitKey(failure.exit)}`;
    case 'spawn':
      return `${failure.kind}|${failure.command}|${failure.reason}`;
    case 'no-run-function':
      return `${failure.kind}|${failure.file}`;
    case 'protocol-error':
    case 'input-changed':
    case 'node-lost':
    case 'canceled':
      return failure.kind;
    default:
      return unreachable(failure);
  }
}

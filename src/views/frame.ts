/** The place in the code that a failure points at. */
import { unreachable } from '../domain/assert.ts';
import type { StackFrame, StartFailure, TryFailure } from '../domain/failure.ts';
import { frameInStacks } from './stackframes.ts';

export type Failure = TryFailure | StartFailure;

/** The frame to look at first: the innermost of the script's own, else the innermost of all. */
export function frameOf(failure: Failure): StackFrame | undefined {
  switch (failure.kind) {
    case 'exception':
    case 'unencodable-row':
    case 'load-exception':
    case 'init-exception':
      return failure.frames.findLast((frame) => frame.own) ?? failure.frames.at(-1);
    case 'invalid-return':
      return failure.frame;
    case 'timeout':
    case 'overhead-timeout':
    case 'load-timeout':
    case 'init-timeout':
      return failure.stacks === undefined ? undefined : frameInStacks(failure.stacks);
    case 'worker-lost':
    case 'exit':
      return failure.trace === undefined ? undefined : frameInStacks(failure.trace);
    case 'input-error':
    case 'input-changed':
    case 'protocol-error':
    case 'node-lost':
    case 'canceled':
    case 'spawn':
    case 'no-run-function':
      return undefined;
    default:
      return unreachable(failure);
  }
}

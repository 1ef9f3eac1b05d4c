/** The code of each failure: what people search for; each has a page below `docs/errors/`. */
import { unreachable } from '../../domain/assert.ts';
import type { ExitFacts, RunFailure, StartFailure, TryFailure } from '../../domain/failure.ts';
import type { ProblemCode } from '../../domain/problem.ts';

function lostCode(exit: ExitFacts): ProblemCode {
  if (exit.by === 'code') return 'PR2108';
  return exit.outOfMemory ? 'PR2109' : 'PR2103';
}

export function codeOfTryFailure(failure: TryFailure): ProblemCode {
  switch (failure.kind) {
    case 'exception':
      return 'PR2101';
    case 'timeout':
      return 'PR2102';
    case 'worker-lost':
      return lostCode(failure.exit);
    case 'invalid-return':
      return 'PR2104';
    case 'unencodable-row':
      return 'PR2105';
    case 'input-error':
      return 'PR2106';
    case 'input-changed':
      return 'PR2113';
    case 'overhead-timeout':
      return 'PR2107';
    case 'protocol-error':
      return 'PR2110';
    case 'node-lost':
      return 'PR2111';
    case 'canceled':
      return 'PR2112';
    default:
      return unreachable(failure);
  }
}

export function codeOfStartFailure(failure: StartFailure): ProblemCode {
  switch (failure.kind) {
    case 'load-exception':
      return 'PR2201';
    case 'load-timeout':
      return 'PR2202';
    case 'init-exception':
      return 'PR2203';
    case 'init-timeout':
      return 'PR2204';
    case 'exit':
      return 'PR2205';
    case 'spawn':
      return 'PR2206';
    case 'no-run-function':
      return 'PR2207';
    case 'protocol-error':
      return 'PR2208';
    default:
      return unreachable(failure);
  }
}

export function codeOfRunFailure(reason: RunFailure): ProblemCode {
  switch (reason.kind) {
    case 'error-threshold':
      return 'PR5101';
    case 'mini-batch-error-threshold':
      return 'PR5102';
    case 'failed-percent':
      return 'PR5103';
    case 'nothing-succeeded':
      return 'PR5104';
    case 'init-failed':
      return 'PR5105';
    case 'all-in-init':
      return 'PR5106';
    case 'no-progress':
      return 'PR5107';
    case 'first-mini-batch-timeout':
      return 'PR5108';
    case 'empty-input':
      return 'PR5109';
    case 'creation-failed':
      // The page of its own code says what to do.
      return reason.fetching === true ? ((reason.code ?? 'PR3604') as ProblemCode) : 'PR5110';
    case 'input-differs':
      return 'PR5007';
    case 'infra-exhausted':
      return 'PR5111';
    case 'output-failed':
      return 'PR5112';
    case 'disk-full':
      return 'PR5113';
    case 'internal':
      return 'PR5114';
    default:
      return unreachable(reason);
  }
}

/** Contract 4.3: what failed starts of workers (load and init) mean for the run. */
import { unreachable } from '../domain/assert.ts';
import type { RunFailure, StartFailure } from '../domain/failure.ts';
import type { NodeAddress } from '../domain/ids.ts';
import { signatureOf } from '../domain/signature.ts';
import { INIT_BUDGET_AFTER_MS } from './types.ts';
import type { CoreState } from './types.ts';

/** Exceptions that another attempt can't mend: one round over the processes of a node is proof enough. */
const LASTING_TYPES = new Set([
  'ImportError',
  'ModuleNotFoundError',
  'FileNotFoundError',
  'NotADirectoryError',
  'SyntaxError',
  'IndentationError',
  'TabError',
  'NameError',
  'AttributeError',
  'TypeError',
  'ReferenceError',
  'UnboundLocalError',
]);

/** How often each process of a node must show the same error before the run ends on it. */
function roundsNeeded(failure: StartFailure): number {
  switch (failure.kind) {
    case 'load-exception':
    case 'no-run-function':
    case 'spawn':
      return 1;
    case 'init-exception':
      return LASTING_TYPES.has(failure.exceptionType) ? 1 : 2;
    case 'load-timeout':
    case 'init-timeout':
    case 'exit':
    case 'protocol-error':
      return 2;
    default:
      return unreachable(failure);
  }
}

/** Counts a failed start; @returns the reason to end the run, if it is one. */
export function onStartFailed(state: CoreState, node: NodeAddress, failure: StartFailure): RunFailure | undefined {
  state.lastStartFailure = failure;
  const nodeState = state.nodes.get(node);
  if (!nodeState) return undefined;
  nodeState.startFailures += 1;
  if (nodeState.everReady) return undefined;
  const signature = signatureOf(failure);
  const same = (nodeState.sameFailures.get(signature) ?? 0) + 1;
  nodeState.sameFailures.set(signature, same);
  if (state.everReady || same < nodeState.slots * roundsNeeded(failure)) return undefined;
  return { kind: 'init-failed', rule: 'everywhere-the-same', failures: totalStartFailures(state), example: failure };
}

/** Contract 4.3 rule 2, asked at each tick. */
export function initBudgetUsedUp(state: CoreState, now: number): RunFailure | undefined {
  if (state.everReady || !state.lastStartFailure || now - state.startedAt <= INIT_BUDGET_AFTER_MS) return undefined;
  let processes = 0;
  for (const node of state.nodes.values()) processes += node.slots;
  const failures = totalStartFailures(state);
  if (failures < 2 * processes) return undefined;
  return { kind: 'init-failed', rule: 'budget', failures, example: state.lastStartFailure };
}

export function totalStartFailures(state: CoreState): number {
  let failures = 0;
  for (const node of state.nodes.values()) failures += node.startFailures;
  return failures;
}

import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { tryLock } from '../environment/lock.ts';
import type { Lock } from '../environment/lock.ts';

/** One orchestrator a run, and a pipeline. @throws ParallelRunError PR5004, exit code 4, that names the holder */
export async function lockRun(
  plan: Pick<Plan, 'runId' | 'runFolder'>,
  layout: Pick<RunLayout, 'state'>,
  what: 'run' | 'pipeline' = 'run',
): Promise<Lock> {
  const lock = await tryLock(layout.state, 'run');
  if ('release' in lock) return lock;
  throw new ParallelRunError(
    [
      {
        code: 'PR5004',
        severity: 'error',
        what: `${what} ${plan.runId} is already being worked on by process ${lock.pid}`,
        where: { file: plan.runFolder },
        next: `wait for it, or cancel it: parallelrun cancel ${plan.runId}`,
      },
    ],
    4,
  );
}

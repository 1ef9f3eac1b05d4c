import type { CoreConfig } from '../core/types.ts';
import type { Plan } from '../domain/plan.ts';

/** Two messages through a broker that syncs each write, and a commit of ours in between. */
const BROKER_WAY_MS = 10;

/** What of a plan the policy needs. */
export function coreConfig(plan: Plan): CoreConfig {
  const { limits } = plan;
  return {
    maxTries: plan.tries.maxTries,
    isolate: plan.isolate ?? 'off',
    thresholds: plan.thresholds,
    needsRows: plan.output.action === 'append_row',
    allowEmpty: plan.allowEmpty,
    ...(plan.engine !== undefined && { wayMs: BROKER_WAY_MS }),
    ...(plan.inFlight === true && { inFlight: true }),
    progressTimeoutMs: limits.progressTimeoutMs,
    firstMiniBatchTimeoutMs: limits.firstMiniBatchTimeoutMs,
    // Contract 4.3 rule 3, but never before the limit of load and init themselves has had its say (settled 4).
    allInInitTimeoutMs: Math.max(
      3 * limits.runTimeoutMs + limits.overheadTimeoutMs,
      limits.overheadTimeoutMs + 2 * limits.initTimeoutMs,
    ),
  };
}

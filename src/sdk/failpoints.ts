import { FAILPOINTS } from '../orchestrator/index.ts';
import type { Failpoint, FailpointPort } from '../orchestrator/index.ts';
import { RETRY } from '../remote/retry.ts';
import type { RetryPolicy } from '../remote/retry.ts';

const PATTERN = /^([a-z-]+)@([1-9]\d*):(kill|throw|stall)$/;

/**
 * `PARALLELRUN_FAIL=rows-durable@3:kill`: at the third passing of that point the process kills itself, throws, or
 * never goes on. For tests only: without `PARALLELRUN_TEST=1` it is refused.
 * @throws Error where it is set and can't be followed: a test that tests nothing must not pass
 */
export function failpointsOf(env: Readonly<Record<string, string | undefined>>): FailpointPort | undefined {
  const text = env['PARALLELRUN_FAIL'];
  if (text === undefined) return undefined;
  if (env['PARALLELRUN_TEST'] !== '1') throw new Error('PARALLELRUN_FAIL is set without PARALLELRUN_TEST=1');
  const [, name, count, action] = PATTERN.exec(text) ?? [];
  const point = FAILPOINTS.find((each) => each === name);
  if (!point) throw new Error(`PARALLELRUN_FAIL=${text} names no point: ${FAILPOINTS.join(', ')}`);
  return armed(point, Number(count), action ?? '');
}

function armed(point: Failpoint, count: number, action: string): FailpointPort {
  let passed = 0;
  return (at) => {
    if (at !== point || ++passed !== count) return undefined;
    if (action === 'throw') return Promise.reject(new Error(`failpoint ${point}`));
    if (action === 'kill') process.kill(process.pid, 'SIGKILL');
    // A killed process is gone before it gets here; a stalled one stays.
    return new Promise(() => undefined);
  };
}

/** `PARALLELRUN_GROUPING_BYTES=100000`: what grouping by partition keys may hold in memory. For tests only, as above. */
export function groupingMemory(env: Readonly<Record<string, string | undefined>>): { readonly memoryBytes?: number } {
  const text = env['PARALLELRUN_GROUPING_BYTES'];
  return text === undefined || env['PARALLELRUN_TEST'] !== '1' ? {} : { memoryBytes: Number(text) };
}

/** `PARALLELRUN_RETRY_MS=10`: the first pause before a store is asked again, and the longest. For tests only, as above. */
export function retryPace(env: Readonly<Record<string, string | undefined>>): RetryPolicy | undefined {
  const ms = Number(env['PARALLELRUN_RETRY_MS']);
  return Number.isNaN(ms) || env['PARALLELRUN_TEST'] !== '1' ? undefined : { ...RETRY, firstMs: ms, maxMs: ms };
}

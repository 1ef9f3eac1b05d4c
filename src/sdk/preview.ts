import { describeSource } from '../domain/minibatch.ts';
import type { Column, Plan } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import type { EffectiveSetting } from '../job/index.ts';
import type { JobRequest } from '../job/request.ts';
import { isLongToGroup } from '../dataset/index.ts';
import type { Picked } from '../dataset/index.ts';
import { notInput, openInput } from './input.ts';
import { overRowsFor } from './queries.ts';
import { hasRemoteInputs } from './remote.ts';
import { compile } from './start.ts';

const FIRST_MAX = 10;
/** Counting stops after so many mini-batches; the numbers are then a lower bound. */
const COUNT_MAX = 2_000_000;

export interface PlanPreview {
  readonly plan: Plan;
  readonly settings: readonly EffectiveSetting[];
  readonly warnings: readonly Problem[];
  readonly miniBatches: number;
  readonly items: number;
  /** Items of a mini-batch. */
  readonly sizes: { readonly min: number; readonly median: number; readonly max: number };
  readonly first: readonly { readonly index: number; readonly items: number; readonly description: string }[];
  readonly schema?: readonly Column[];
  readonly truncated?: boolean;
  /** Of an MLTable that leaves out rows. */
  readonly picked?: Picked;
  /** By partition keys of tables so large that they are not grouped only to be looked at. */
  readonly uncounted?: boolean;
  /** The input lies elsewhere: nothing of it was listed. */
  readonly elsewhere?: boolean;
}

/**
 * A dry run: what would be done, without starting anything. Queries are carried out, and their rows dropped again.
 * @throws ParallelRunError exit code 2, as `start` would
 */
export async function previewPlan(request: JobRequest): Promise<PlanPreview> {
  const { plan, settings, warnings } = await compile(request);
  if (hasRemoteInputs(plan)) {
    const nothing = { miniBatches: 0, items: 0, sizes: { min: 0, median: 0, max: 0 }, first: [] };
    return { plan, settings, warnings, ...nothing, elsewhere: true };
  }
  return overRowsFor(plan, {}, async (overRows) => ({
    plan,
    settings,
    warnings,
    ...(await previewInput({ ...overRows, allowEmpty: true })),
  }));
}

async function previewInput(plan: Plan): Promise<Omit<PlanPreview, 'plan' | 'settings' | 'warnings'>> {
  const input = await openInput(plan, undefined, true);
  const first: { index: number; items: number; description: string }[] = [];
  const counts = new Map<number, number>();
  let miniBatches = 0;
  let items = 0;
  const uncounted = await isLongToGroup(plan.inputs, plan.cutting, await notInput(plan));
  for await (const chunk of uncounted ? [] : input.drafts) {
    for (const draft of chunk) {
      if (first.length < FIRST_MAX)
        first.push({ index: miniBatches, items: draft.items, description: describeSource(draft.source) });
      counts.set(draft.items, (counts.get(draft.items) ?? 0) + 1);
      miniBatches += 1;
      items += draft.items;
    }
    if (miniBatches >= COUNT_MAX) break;
  }
  const { columns } = input;
  const picked = input.picked?.();
  return {
    miniBatches,
    items,
    sizes: sizesOf(counts, miniBatches),
    first,
    ...(columns && { schema: columns }),
    ...(picked && { picked }),
    ...(miniBatches >= COUNT_MAX && { truncated: true }),
    ...(uncounted && { uncounted }),
  };
}

function sizesOf(counts: ReadonlyMap<number, number>, total: number): PlanPreview['sizes'] {
  const sorted = [...counts].sort(([a], [b]) => a - b);
  let seen = 0;
  let median = 0;
  for (const [size, count] of sorted) {
    median = size;
    seen += count;
    if (seen * 2 >= total) break;
  }
  return { min: sorted[0]?.[0] ?? 0, median, max: sorted[sorted.length - 1]?.[0] ?? 0 };
}

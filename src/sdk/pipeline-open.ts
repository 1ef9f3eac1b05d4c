/** Pipelines as they lie in their folders, live or ended. */
import { stat } from 'node:fs/promises';
import type { PipelineEvent, PipelinePlan } from '../domain/pipeline.ts';
import { lockHolder } from '../environment/lock.ts';
import { runLayout } from '../domain/layout.ts';
import { stepsFolder } from '../job/index.ts';
import { pipelineStatus } from '../views/pipeline.ts';
import type { AllRecords } from '../views/records.ts';
import type { PipelineStatus } from '../views/pipeline.ts';
import { writeCancelRequest } from './cancel.ts';
import { readPlan } from './folder.ts';
import { pipelineLayout, readPipelineEvents, readPipelinePlan } from './pipeline-store.ts';
import type { PipelineLayout } from './pipeline-store.ts';
import { readCommandPlan, readPipelineRecords } from './records.ts';
import type { StepRecords } from './records.ts';

export interface StoredPipeline {
  readonly plan: PipelinePlan;
  readonly layout: PipelineLayout;
  events(): Promise<readonly PipelineEvent[]>;
  status(): Promise<PipelineStatus>;
  live(): Promise<boolean>;
  /** What the scripts of its steps recorded for it, so far. */
  records(): Promise<AllRecords>;
  requestCancel(now: boolean): Promise<void>;
}

/** @returns undefined where there is none of that name: it may be a run */
export async function openPipeline(root: string, runId: string): Promise<StoredPipeline | undefined> {
  const layout = pipelineLayout(`${root}/${runId}`);
  const isThere = await stat(layout.plan).then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  const plan = await readPipelinePlan(layout.folder);
  return {
    plan,
    layout,
    events: () => readPipelineEvents(layout),
    status: async () => pipelineStatus(plan, await readPipelineEvents(layout)),
    live: async () => (await lockHolder(layout.state, 'run')) !== undefined,
    records: async () => readPipelineRecords(runId, await stepRecords(root, runId, await readPipelineEvents(layout))),
    requestCancel: (now) => writeCancelRequest(layout.cancelRequest, now ? 'now' : 'orderly'),
  };
}

/** Of the latest run of each step; of a reused one of the run that made its result. */
async function stepRecords(
  root: string,
  own: string,
  events: readonly PipelineEvent[],
): Promise<readonly StepRecords[]> {
  const latest = new Map<string, { readonly folder: string; readonly pipeline: string }>();
  for (const event of events) {
    if (event.type === 'step-started') latest.set(event.step, placeOf(root, own, event.runId));
    if (event.type === 'step-reused') latest.set(event.step, placeOf(root, event.from.pipeline, event.from.runId));
  }
  const found = await Promise.all(
    [...latest.values()].map(async ({ folder, pipeline }): Promise<StepRecords[]> => {
      const layout = runLayout(folder);
      // an earlier pipeline may be gone
      const plan = await readPlan(folder).catch(() => readCommandPlan(layout));
      return plan ? [{ plan, layout, pipeline }] : [];
    }),
  );
  return found.flat();
}

function placeOf(root: string, pipeline: string, runId: string) {
  return { folder: `${stepsFolder(`${root}/${pipeline}`)}/${runId}`, pipeline };
}

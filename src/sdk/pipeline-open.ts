/** Pipelines as they lie in their folders, live or ended. */
import { stat } from 'node:fs/promises';
import type { PipelineEvent, PipelinePlan } from '../domain/pipeline.ts';
import { lockHolder } from '../environment/lock.ts';
import { pipelineStatus } from '../views/pipeline.ts';
import type { PipelineStatus } from '../views/pipeline.ts';
import { writeCancelRequest } from './cancel.ts';
import { pipelineLayout, readPipelineEvents, readPipelinePlan } from './pipeline-store.ts';
import type { PipelineLayout } from './pipeline-store.ts';

export interface StoredPipeline {
  readonly plan: PipelinePlan;
  readonly layout: PipelineLayout;
  events(): Promise<readonly PipelineEvent[]>;
  status(): Promise<PipelineStatus>;
  live(): Promise<boolean>;
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
    requestCancel: (now) => writeCancelRequest(layout.cancelRequest, now ? 'now' : 'orderly'),
  };
}

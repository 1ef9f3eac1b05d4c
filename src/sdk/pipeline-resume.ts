/** A pipeline that goes on where it stopped. */
import { readFile } from 'node:fs/promises';
import type { PipelinePlan } from '../domain/pipeline.ts';
import type { ExitCode } from '../domain/problem.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { readComponents } from '../job/index.ts';
import type { JobRequest } from '../job/request.ts';
import type { PipelineStatus } from '../views/pipeline.ts';
import { systemClock } from './clock.ts';
import { lockRun } from './locking.ts';
import { LivePipeline } from './pipeline.ts';
import type { PipelineHandle } from './pipeline.ts';
import type { StoredPipeline } from './pipeline-open.ts';
import { PipelineJournal, readDefinition, readRequest, storeDefinition, withoutSecrets } from './pipeline-store.ts';
import type { Definition, PipelineLayout } from './pipeline-store.ts';
import { sameTree } from './resume-job.ts';
import type { StepOptions } from './step.ts';

export type ResumedPipeline =
  | { readonly kind: 'going on'; readonly pipeline: PipelineHandle; readonly done: number }
  | { readonly kind: 'ended'; readonly state: PipelineStatus['state']; readonly exitCode: ExitCode };

/**
 * Goes on with what of a pipeline is not done: steps that are stay as they are, one that was stopped or failed goes on
 * where its own run ended, a command is run again.
 * @throws ParallelRunError exit code 4 where another process works on it, or its job file has changed
 */
export async function resumePipeline(stored: StoredPipeline, options: StepOptions = {}): Promise<ResumedPipeline> {
  const { plan, layout } = stored;
  const lock = await lockRun(plan, layout, 'pipeline');
  try {
    const before = await stored.status();
    const done = before.steps.filter((step) => step.state === 'Completed' || step.state === 'Reused').length;
    if (before.state === 'Completed') {
      await lock.release();
      return { kind: 'ended', state: before.state, exitCode: before.exitCode ?? 0 };
    }
    const { request, changes } = await definition(plan, layout, options.allowCodeChange === true);
    const journal = await PipelineJournal.open(layout);
    const live = new LivePipeline(plan, layout, [], request, journal, lock, await stored.events());
    await live.begin({ type: 'pipeline-resumed', at: systemClock.now(), changes }, options);
    return { kind: 'going on', pipeline: live, done };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** What is run: the job file as it was, or as it is now where that is allowed. */
async function definition(
  plan: PipelinePlan,
  layout: PipelineLayout,
  allowed: boolean,
): Promise<{ readonly request: JobRequest; readonly changes: readonly string[] }> {
  const stored = await readRequest(layout);
  const kept = await readDefinition(layout);
  const requestOf = ({ jobText, components }: Definition): JobRequest => {
    return { ...stored, jobFile: plan.jobFile, jobText, componentTexts: components };
  };
  const now = await readFile(plan.jobFile, 'utf8').catch(() => undefined);
  if (now === undefined)
    return { request: requestOf(kept), changes: ['the job file is gone: the pipeline keeps what it said'] };
  const fresh = { jobText: now, components: await readComponents(plan.jobFile, { ...stored, jobText: now }) };
  const shown = withoutSecrets(fresh);
  const other = [
    ...((await sameTree(kept.jobText, shown.jobText)) ? [] : [plan.jobFile]),
    ...(await changedComponents(kept.components, shown.components)),
  ];
  // the signatures of its URLs stand in the file alone
  const request = requestOf(fresh);
  if (other.length === 0) return { request, changes: [] };
  if (!allowed) throw changed(plan, other);
  await storeDefinition(layout, fresh);
  return { request, changes: other.map((file) => `${file} is taken as it is now`) };
}

async function changedComponents(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const files = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  const same = await Promise.all(
    files.map((file) => {
      const [was, is] = [before[file], now[file]];
      return was === undefined || is === undefined ? Promise.resolve(false) : sameTree(was, is);
    }),
  );
  return files.filter((_, i) => same[i] !== true);
}

function changed(plan: PipelinePlan, files: readonly string[]): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR5601',
        severity: 'error',
        what: `the job of pipeline ${plan.runId} has changed since it was started`,
        where: { file: files[0] ?? plan.jobFile },
        why: `not what it was: ${files.join(', ')}`,
        next: `parallelrun resume ${plan.runId} --allow-code-change takes it as it is now for the steps that are left`,
      },
    ],
    4,
  );
}

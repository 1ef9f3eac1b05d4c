/** A pipeline in lines for a person. */
import type { PipelineEvent } from '../../domain/pipeline.ts';
import type { PipelineStatus, StepStatus } from '../pipeline.ts';
import { duration, safeText, shellWord } from './words.ts';

/** One line for what happened; the journal in words. */
export function eventLine(event: PipelineEvent, seconds?: number): string {
  switch (event.type) {
    case 'pipeline-started':
      return 'the pipeline begins';
    case 'pipeline-resumed':
      return ['the pipeline goes on', ...event.changes].join('; ');
    case 'step-started':
      return `${safeText(event.step)}: started${event.notReused === undefined ? '' : ` (not reused: ${safeText(event.notReused)})`}`;
    case 'step-reused':
      return `${safeText(event.step)}: reused from ${event.from.pipeline}, nothing of it has changed`;
    case 'step-ended': {
      const first = event.cause[0];
      const time = seconds === undefined ? '' : ` after ${duration(seconds * 1000)}`;
      return `${safeText(event.step)}: ${event.state}${time}${first === undefined || event.state === 'Completed' ? '' : `: ${safeText(first.trim())}`}`;
    }
    case 'pipeline-ended':
      return `the pipeline has ended: ${event.state}`;
  }
}

/** Path of a step for commands: `status`, `logs`, `errors`, `replay`. */
export const stepPath = (pipeline: string, step: string): string => `${pipeline}/${step}`;

/** State of one step in a few words, as it stands in tables. */
export function stepWords({ state, reusedFrom, startedAt, endedAt }: StepStatus, nowMs: number): string {
  if (state === 'Reused') return `from ${reusedFrom ?? ''}`;
  if (startedAt === undefined) return '';
  return duration((endedAt ?? nowMs) - startedAt);
}

/**
 * How it ended, what failed and why, where results are, and what to do next.
 * @param root where it is not the default one
 */
export function pipelineEndLines(status: PipelineStatus, root?: string): readonly string[] {
  const flag = root === undefined ? '' : ` --root ${shellWord(root)}`;
  const failed = status.steps.filter((step) => step.state === 'Failed' || step.state === 'Canceled');
  const skipped = status.steps.filter((step) => step.state === 'Skipped').map((step) => safeText(step.name));
  const lines: string[] = [];
  for (const step of failed) {
    lines.push(`${safeText(step.name)}: ${step.state}`, ...step.cause.map((line) => `  ${safeText(line)}`));
    lines.push(`  logs   parallelrun logs ${shellWord(stepPath(status.runId, step.name))}${flag}`);
  }
  if (skipped.length > 0) lines.push(`not begun: ${skipped.join(', ')}`);
  const head = `Pipeline ${status.runId}: ${status.state}`;
  if (status.state === 'Completed') return [head];
  return [head, ...lines, `next     parallelrun resume ${shellWord(status.runId)}${flag}   (what is done stays)`];
}

/** Why a run ended as it did, each in one sentence. */
import { unreachable } from '../../domain/assert.ts';
import type { RunFailure } from '../../domain/failure.ts';
import type { RunStatus } from '../status.ts';
import { failureTitle } from './failure.ts';
import { differenceText } from './inputdiffers.ts';
import { count, counted, cut, duration, miniBatches, safeText } from './words.ts';

/** No full stop, no code: follows "Run X failed: ". */
export function runFailureSentence(reason: RunFailure): string {
  switch (reason.kind) {
    case 'error-threshold':
      return `${counted(reason.failedItems, 'failed item')}, more than the ${count(reason.limit)} allowed (error_threshold)`;
    case 'mini-batch-error-threshold':
      return `${counted(reason.failedMiniBatches, 'failed mini-batch', 'failed mini-batches')}, more than the ${count(reason.limit)} allowed (mini_batch_error_threshold)`;
    case 'failed-percent': {
      const percent = Math.round((reason.failedMiniBatches * 1000) / Math.max(1, reason.totalMiniBatches)) / 10;
      return `${count(reason.failedMiniBatches)} of ${miniBatches(reason.totalMiniBatches)} failed, ${percent} %, more than the ${reason.limitPercent} % allowed (allowed_failed_percent)`;
    }
    case 'nothing-succeeded':
      return `no item succeeded in any of ${miniBatches(reason.miniBatches)}`;
    case 'init-failed':
      return `${initRule(reason.rule, reason.failures)}: ${failureTitle(reason.example)}`;
    case 'all-in-init':
      return `every worker has been in init() for more than ${duration(reason.limitMs)}`;
    case 'no-progress':
      return `no mini-batch ended within ${duration(reason.limitMs)} while workers hold ${count(reason.inFlight)} (progress_update_timeout)`;
    case 'first-mini-batch-timeout':
      return `no mini-batch was created within ${duration(reason.limitMs)} (first_task_creation_timeout)`;
    case 'empty-input':
      if (reason.rows !== undefined)
        return `the transformations of the MLTable leave none of ${counted(reason.rows, 'row')}: there is nothing to do (parallelrun plan shows them; --allow-empty makes this a success)`;
      return 'the input is empty: there is nothing to do (--allow-empty makes this a success)';
    case 'creation-failed': {
      const at = reason.path === undefined ? '' : ` (${safeText(reason.path)})`;
      return cut(`mini-batches could not be created: ${safeText(reason.reason)}${at}`, 600);
    }
    case 'input-differs':
      return `the input is not the one that the run began with: ${differenceText(reason)}`;
    case 'infra-exhausted':
      return `mini-batch ${reason.index} was lost ${counted(reason.losses, 'time')} with its process or node, through no fault that can be pinned on the script`;
    case 'output-failed':
      return cut(`the output could not be written: ${safeText(reason.reason)} (${safeText(reason.path)})`, 600);
    case 'disk-full':
      return `no space left for ${safeText(reason.path)}; free some and resume the run`;
    case 'internal':
      return cut(`a defect in ParallelRun itself: ${safeText(reason.message)}`, 600);
    default:
      return unreachable(reason);
  }
}

function initRule(rule: 'everywhere-the-same' | 'budget' | 'no-node-left', failures: number): string {
  switch (rule) {
    case 'everywhere-the-same':
      return `every worker process of a node failed to start in the same way (${counted(failures, 'failure')})`;
    case 'budget':
      return `worker processes failed to start ${counted(failures, 'time')} and none succeeded`;
    case 'no-node-left':
      return `worker processes failed to start ${counted(failures, 'time')}, and no node is left to try on`;
    default:
      return unreachable(rule);
  }
}

/** `Run X completed: ...`, `Run X failed: ...`. One line, no full stop. */
export function verdictSentence(status: RunStatus): string {
  const run = `Run ${status.runId}`;
  switch (status.state) {
    case 'Completed':
      return status.miniBatches.failed > 0 || status.items.failed > 0
        ? `${run} completed with failures that its thresholds allow`
        : `${run} completed`;
    case 'Failed':
      return status.reason === undefined ? `${run} failed` : `${run} failed: ${runFailureSentence(status.reason)}`;
    case 'Canceled':
      return `${run} was canceled`;
    case 'CancelRequested':
      return `${run} is being canceled`;
    case 'NotStarted':
    case 'Preparing':
    case 'Running':
    case 'Finalizing':
      return status.reason === undefined
        ? `${run}: ${status.stage}`
        : `${run} is stopping: ${runFailureSentence(status.reason)}`;
    default:
      return unreachable(status.state);
  }
}

/** `498 of 500 mini-batches succeeded, 2 failed; 4,980 of 5,000 items succeeded, 20 failed; 3 retries; 12.3 s`. */
export function countsSentence(status: RunStatus): string {
  const { miniBatches: batches, items } = status;
  const created = (n: number): string => (batches.creationFinished ? count(n) : `${count(n)} (so far)`);
  return [
    `${count(batches.succeeded)} of ${created(batches.created)} mini-batches succeeded, ${count(batches.failed)} failed` +
      (batches.partial > 0 ? ` (${count(batches.partial)} of them in part)` : '') +
      (batches.remaining > 0 ? `, ${count(batches.remaining)} not done` : ''),
    `${count(items.succeeded)} of ${created(items.created)} items succeeded, ${count(items.failed)} failed` +
      (items.deadLetters > 0 ? ` (${counted(items.deadLetters, 'dead letter')})` : ''),
    ...(status.retries > 0 ? [status.retries === 1 ? '1 retry' : `${count(status.retries)} retries`] : []),
    ...(status.isolationRuns > 0 ? [counted(status.isolationRuns, 'isolation run')] : []),
    duration(status.elapsedSeconds * 1000),
  ].join('; ');
}

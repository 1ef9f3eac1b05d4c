import { unreachable } from '../../domain/assert.ts';
import type { RunWarning } from '../../domain/event.ts';
import { bytes, counted, cut, safeText } from './words.ts';

/** Something to know, not to worry about. */
export const isNews = (warning: RunWarning['warning']): boolean => warning.kind === 'note' && warning.news === true;

/** Something a person should know that ends nothing, in one line. */
export function warningText(warning: RunWarning['warning']): string {
  switch (warning.kind) {
    case 'no-mini-batch-yet':
      return `no mini-batch has been created after ${counted(Math.round(warning.seconds), 'second')}; the input is still being read`;
    case 'log-truncated': {
      const batch = warning.index === undefined ? '' : ` during mini-batch ${warning.index}`;
      return `${bytes(warning.droppedBytes)} of ${warning.stream} of ${safeText(warning.worker)}${batch} were left out of the logs; start and end are kept`;
    }
    case 'log-write-failed':
      return `log file ${safeText(warning.path)} can't be written: ${safeText(warning.reason)}; the run goes on without it`;
    case 'processes-left':
      return `${safeText(warning.worker)} left ${counted(warning.pids.length, 'process', 'processes')} behind, now ended: ${warning.pids.slice(0, 20).join(', ')}`;
    case 'stuck-process':
      return `process ${warning.pid} of ${safeText(warning.worker)} can't be ended (it hangs in the kernel); another takes its place`;
    case 'skipped-input':
      return warning.rows === undefined
        ? `input ${safeText(warning.path)} is left out: ${safeText(warning.reason)}`
        : `${counted(warning.rows, 'row')} of ${safeText(warning.path)} left out: ${safeText(warning.reason)}`;
    case 'isolation-off':
      return warning.why.kind === 'mixes-items'
        ? `a part of mini-batch ${warning.index} with ${counted(warning.why.items, 'item')} returned ${counted(warning.why.returned, 'row')}: rows don't belong to items one by one, so failing mini-batches are no longer narrowed down ("isolate: true" does it all the same)`
        : `every part of mini-batch ${warning.index} fails with the same error, as of others before: such mini-batches are no longer narrowed down`;
    case 'memory-guard':
      return `${safeText(warning.worker)} (process ${warning.pid}) was ended at ${bytes(warning.rssBytes)} of memory, before the system had to choose a victim`;
    case 'worker-recycled':
      return warning.why === 'growth'
        ? `${safeText(warning.worker)} grew by ${bytes(warning.amount)} and is replaced by a new process`
        : `${safeText(warning.worker)} is replaced by a new process after ${counted(warning.amount, 'mini-batch', 'mini-batches')}`;
    case 'disk-full':
      return warning.waiting
        ? `the disk of ${safeText(warning.path)} is full: nothing new is started until there is space; nothing is lost; Ctrl-C stops the run, resumable`
        : `there is space again on the disk of ${safeText(warning.path)}: the run goes on`;
    case 'note':
      return cut(safeText(warning.text), 2000);
    default:
      return unreachable(warning);
  }
}

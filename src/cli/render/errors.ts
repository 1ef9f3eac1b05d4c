import { errorGroupLines, codeOfGroup, fileToOpen, replayCommand, type RunContext } from '../../views/text/cause.ts';
import { runLayout } from '../../domain/layout.ts';
import { itemText } from '../../views/text/deadletters.ts';
import { failureTrace } from '../../views/text/failure.ts';
import { traceTail } from '../../views/text/trace.ts';
import { counted, safeText } from '../../views/text/words.ts';
import { OTHER_SIGNATURE } from '../../views/errors.ts';
import type { ErrorGroup, RunStatus } from '../../views/status.ts';
import { dayTime } from './format.ts';
import type { Screen } from './screen.ts';

/** All errors of a run, most mini-batches first, each with its example, its whole traceback and the replay command. */
export function errorsLines(status: RunStatus, context: RunContext, screen: Screen): readonly string[] {
  const { errorGroups } = status;
  if (errorGroups.length === 0) return [`Run ${safeText(context.runId)} has no errors so far`];
  const head = `${counted(errorGroups.length, 'kind')} of error; those made good by a retry did no harm`;
  return [screen.paint('strong', head), ...errorGroups.flatMap((group) => ['', ...groupLines(group, context, screen)])];
}

function groupLines(group: ErrorGroup, context: RunContext, screen: Screen): readonly string[] {
  if (group.signature === OTHER_SIGNATURE) return [`${group.title}: ${counted(group.tries, 'try', 'tries')}`];
  const lines = errorGroupLines(group, context, screen.paint);
  const trace = failureTrace(group.example.failure)?.split('\n') ?? [];
  const indexes = group.indexes.length < 2 ? [] : [`         mini-batches ${indexText(group)}`];
  const times = group.tries < 2 ? [] : [`         first ${dayTime(group.firstAt)}, last ${dayTime(group.lastAt)}`];
  const dead =
    group.deadLetters < 2
      ? []
      : group.deadItems.map(
          ({ index, item }) => `         dead letter: mini-batch ${index} ${itemText(context, index, item)}`,
        );
  const unnamed = group.deadLetters - group.deadItems.length;
  const more =
    unnamed > 0
      ? [`         and ${counted(unnamed, 'more dead letter')} in ${runLayout(context.folder).deadLetters}`]
      : [];
  // The tail above says enough where it is all there is.
  const whole =
    trace.length <= traceTail(group.example.failure).length ? [] : ['', ...trace.map((line) => `    ${line}`)];
  return [...lines, ...indexes, ...dead, ...(dead.length > 0 ? more : []), ...times, ...whole];
}

function indexText(group: ErrorGroup): string {
  const more = group.miniBatches - group.indexes.length;
  return `${group.indexes.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** What `errors --json` prints for a group: the group with its code, and file and command that go after its example. */
export function errorGroupJson(group: ErrorGroup, context: RunContext): object {
  const { index, item } = group.example;
  return {
    type: 'error-group',
    ...(group.kind === 'other' ? {} : { code: codeOfGroup(group), open: fileToOpen(group, context) }),
    ...group,
    ...(group.deadLetters === 0 ? {} : { deadLettersFile: runLayout(context.folder).deadLetters }),
    ...(index === undefined ? {} : { replay: replayCommand(context, index, item) }),
  };
}

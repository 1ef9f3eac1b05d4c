import { runLayout } from '../../domain/layout.ts';
import { causeBlock, hitLine, type RunContext } from '../../views/text/cause.ts';
import { deadLetterLines } from '../../views/text/deadletters.ts';
import { countsSentence, verdictSentence } from '../../views/text/verdict.ts';
import { bytes, count, counted, safeText, shellWord } from '../../views/text/words.ts';
import type { RunStatus } from '../../views/status.ts';
import { dayTime } from './format.ts';
import { windowLines, type Describe } from './progress.ts';
import { lineOf, type Screen } from './screen.ts';

export interface StatusFacts {
  readonly status: RunStatus;
  readonly context: RunContext;
  /** A process works on the run. */
  readonly live: boolean;
  readonly describe?: Describe;
}

/** A page about a run: what it is doing, or how it ended and why, and where everything is. */
export function statusLines(
  { status, context, live, describe }: StatusFacts,
  screen: Screen,
  nowMs: number,
): readonly string[] {
  const over = status.endedAt !== undefined;
  return [
    ...(over
      ? causeBlock(status, context, screen.paint)
      : live
        ? goingLines(status, screen, nowMs, describe)
        : interrupted(status, screen)),
    '',
    ...(over || !live ? [] : errorLines(status, context, screen)),
    ...timeLines(status),
    ...nodeLines(status),
    ...(status.warnings > 0
      ? [`warnings  ${count(status.warnings)}, in ${safeText(runLayout(context.folder).master)}`]
      : []),
    ...deadLetterLines(status, context).map((line, place) => `${(place === 0 ? 'dead' : '').padEnd(10)}${line}`),
    ...(status.output === undefined
      ? []
      : [
          `output    ${safeText(status.output.path)}  (${counted(status.output.rows, 'row')}, ${bytes(status.output.bytes)})`,
        ]),
    `logs      ${safeText(runLayout(context.folder).logs)}`,
  ];
}

function goingLines(
  status: RunStatus,
  screen: Screen,
  nowMs: number,
  describe: Describe | undefined,
): readonly string[] {
  return [lineOf([[verdictSentence(status), 'strong']], screen), ...windowLines(status, screen, nowMs, describe)];
}

function interrupted(status: RunStatus, screen: Screen): readonly string[] {
  return [
    `${screen.paint('warning', `Run ${status.runId} was interrupted`)}: no process works on it, and it has no verdict`,
    `  ${countsSentence(status)}`,
  ];
}

/** The errors so far of a run that goes on: one line each. */
function errorLines(status: RunStatus, context: RunContext, screen: Screen): readonly string[] {
  const shown = status.errorGroups.slice(0, 3);
  if (shown.length === 0) return [];
  const lines = shown.map((group) => lineOf(['  ', [group.title, 'error'], `: ${hitLine(group)}`], screen));
  return [...lines, `  ${errorsCommand(context)} shows them all`, ''];
}

const errorsCommand = ({ runId, root }: RunContext): string =>
  `parallelrun errors ${runId}${root === undefined ? '' : ` --root ${shellWord(root)}`}`;

function timeLines(status: RunStatus): readonly string[] {
  const { startedAt, endedAt } = status;
  return [
    ...(startedAt === undefined ? [] : [`started   ${dayTime(startedAt)}`]),
    ...(endedAt === undefined ? [] : [`ended     ${dayTime(endedAt)}`]),
  ];
}

function nodeLines(status: RunStatus): readonly string[] {
  if (status.nodes.length === 0) return [];
  const names = status.nodes
    .slice(0, 5)
    .map((node) => `${safeText(node.node)} (${counted(node.slots, 'slot')}, ${node.state})`);
  const more = status.nodes.length - names.length;
  return [`nodes     ${names.join(', ')}${more > 0 ? ` and ${count(more)} more` : ''}`];
}

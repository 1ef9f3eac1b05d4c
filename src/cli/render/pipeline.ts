import type { CompiledPipeline, PipelineStatus } from '../../sdk/index.ts';
import { pipelineEndLines, stepWords } from '../../views/text/pipeline.ts';
import { safeText, shellWord } from '../../views/text/words.ts';
import { dayTime } from './format.ts';
import { ellipsisOf, type Screen } from './screen.ts';
import { tableLines } from './table.ts';
import { cutEnd, cutMiddle } from './width.ts';

/** The steps of a pipeline as a table. */
export function stepLines(status: PipelineStatus, live: boolean, screen: Screen, nowMs: number): readonly string[] {
  const rows = status.steps.map((step) => [
    `  ${safeText(step.name)}`,
    step.state === 'Running' && !live ? 'Interrupted' : step.state,
    step.type,
    step.startedAt === undefined ? '' : dayTime(step.startedAt),
    step.state === 'Running' && !live ? '' : stepWords(step, nowMs),
    step.notReused === undefined ? '' : `not reused: ${safeText(step.notReused)}`,
  ]);
  const columns = ['  STEP', 'STATE', 'TYPE', 'STARTED', 'TOOK', ''].map((title) => ({ title }));
  const [head, ...lines] = tableLines(columns, rows).map((line) => cutEnd(line, screen.columns, ellipsisOf(screen)));
  return [screen.paint('faint', head ?? ''), ...lines];
}

/** What a pipeline would do: its steps in an order in which they can run, what each reads and writes. */
export function pipelinePlanLines(
  plan: CompiledPipeline['plan'],
  steps: CompiledPipeline['steps'],
  screen: Screen,
): readonly string[] {
  const fit = (line: string): string => cutMiddle(line, screen.columns, ellipsisOf(screen));
  return [
    screen.paint('strong', safeText(plan.displayName)),
    fit(`  run     ${plan.runId}`),
    fit(`  folder  ${safeText(plan.runFolder)}`),
    ...steps.flatMap((step) => [
      '',
      `${screen.paint('strong', safeText(step.name))}  ${step.type}${step.needs.length === 0 ? '' : `, after ${step.needs.map(safeText).join(' and ')}`}${step.reusable ? ', reused where nothing has changed' : ''}`,
      fit(`  runs    ${safeText(step.runs)}`),
      ...Object.entries(step.inputs).map(([name, place]) => fit(`  input   ${safeText(name)}  ${safeText(place)}`)),
      ...Object.entries(step.outputs).map(([name, place]) =>
        fit(`  output  ${safeText(name)}  ${safeText(place.path)}`),
      ),
    ]),
    ...stepHint(steps.find(({ type, needs }) => type === 'parallel' && needs.length === 0)?.name),
  ];
}

const stepHint = (name: string | undefined): readonly string[] =>
  name === undefined ? [] : ['', `Settings and mini-batches of a step: --step ${shellWord(name)}`];

/** A page about a pipeline: how far it is, or how it ended and why. */
export function pipelineLines(status: PipelineStatus, live: boolean, screen: Screen, nowMs: number): readonly string[] {
  const table = stepLines(status, live, screen, nowMs);
  if (status.endedAt !== undefined) {
    const [head, ...rest] = pipelineEndLines(status);
    return [screen.paint('strong', head ?? ''), ...table, ...(rest.length === 0 ? [] : ['', ...rest])];
  }
  const what = live
    ? screen.paint('strong', `Pipeline ${status.runId}: Running`)
    : `${screen.paint('warning', `Pipeline ${status.runId} was interrupted`)}: no process works on it; parallelrun resume ${status.runId}`;
  return [what, ...table];
}

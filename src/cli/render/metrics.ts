/** What a script recorded, for people and as NDJSON. */
import { bytes, counted, safeText } from '../../views/text/words.ts';
import type { PipelinePlan } from '../../domain/pipeline.ts';
import type { Plan } from '../../domain/plan.ts';
import type { AllRecords, ChildRecords, MetricRecord, RunRecords } from '../../sdk/index.ts';
import { ellipsisOf, type Screen } from './screen.ts';
import { tableLines } from './table.ts';
import { cutEnd } from './width.ts';

const CHILDREN_SHOWN = 20;
const VALUE_CHARACTERS = 60;

export function metricsLines(
  plan: Pick<Plan, 'runId'> | PipelinePlan,
  folder: string,
  records: AllRecords,
  live: boolean,
  screen: Screen,
): readonly string[] {
  const { parent, children, unreadable, dropped } = records;
  const remarks = [
    ...(unreadable === 0
      ? []
      : [`${counted(unreadable, 'line')} of ${safeText(folder)}/records can't be read, left out`]),
    ...dropped.map(
      ({ what, why, since }) =>
        `PR2912 ${safeText(what)}: ${safeText(why)}; what came after ${safeText(since)} was dropped`,
    ),
  ];
  const lost = remarks.length === 0 ? [] : ['', ...remarks];
  if (records.facts === 0) return [nothing(plan, live), ...lost];
  const blocks = [
    ...recordBlocks(records, `${folder}/files`, screen),
    ...(parent
      ? [[screen.paint('strong', "Of the pipeline's run")], ...recordBlocks(parent, `${folder}/parent/files`, screen)]
      : []),
    ...(children.length === 0 ? [] : [childLines(children, live, screen)]),
  ];
  return [...blocks.flatMap((block, i) => (i === 0 ? block : ['', ...block])), ...lost];
}

function nothing(plan: Pick<Plan, 'runId'> | PipelinePlan, live: boolean): string {
  const soFar = live ? ' so far' : '';
  return 'steps' in plan
    ? `Pipeline ${safeText(plan.runId)} has recorded nothing${soFar}: no script of it logs to its parent, and no step has --push_metrics_to_parent; parallelrun metrics ${safeText(plan.runId)}/STEP shows those of a step`
    : `Run ${safeText(plan.runId)} has recorded nothing${soFar}: its script uses no Run.log`;
}

function recordBlocks({ metrics, tags, properties, files, models }: RunRecords, folder: string, screen: Screen) {
  const blocks: (readonly string[])[] = [];
  if (metrics.length > 0) blocks.push(metricTable(metrics, screen));
  for (const [title, pairs] of [
    ['TAG', tags],
    ['PROPERTY', properties],
  ] as const) {
    const rows = Object.entries(pairs).map(([name, value]) => [safeText(name), value === null ? '' : short(value)]);
    if (rows.length > 0) blocks.push(table([{ title }, { title: 'VALUE' }], rows, screen));
  }
  if (files.length > 0) {
    const rows = files.map((file) => [safeText(file.name), bytes(file.bytes), safeText(`${folder}/${file.name}`)]);
    blocks.push(table([{ title: 'FILE' }, { title: 'SIZE', align: 'right' }, { title: 'WHERE' }], rows, screen));
  }
  if (models.length > 0) {
    const rows = models.map(({ name, version }) => [safeText(name), String(version)]);
    blocks.push(table([{ title: 'MODEL REGISTERED' }, { title: 'VERSION', align: 'right' }], rows, screen));
  }
  return blocks;
}

function metricTable(metrics: readonly MetricRecord[], screen: Screen): readonly string[] {
  const rows = metrics.map(({ name, form, last, count, min, max, mean }) => [
    safeText(name) + (form === 'metric' ? '' : ` (${form})`),
    short(last),
    String(count),
    ...[min, max, mean].map((number) => (number === undefined ? '' : rounded(number))),
  ]);
  const right = (title: string) => ({ title, align: 'right' }) as const;
  return table([{ title: 'METRIC' }, ...['LAST', 'COUNT', 'MIN', 'MAX', 'MEAN'].map(right)], rows, screen);
}

function childLines(children: readonly ChildRecords[], live: boolean, screen: Screen): readonly string[] {
  const rows = children
    .slice(0, CHILDREN_SHOWN)
    .map((child) => [
      safeText(child.name),
      stateOf(child, live),
      safeText(child.id),
      child.metrics.map(({ name, last }) => `${safeText(name)}=${short(last)}`).join(' '),
      child.files.length === 0 ? '' : String(child.files.length),
      short(child.error ?? '', 200),
    ]);
  const titles = ['CHILD', 'STATE', 'ID', 'LAST METRICS', 'FILES', 'ERROR'].map((title) => ({ title }));
  const more = children.length - CHILDREN_SHOWN;
  return [
    ...table(titles, rows, screen),
    ...(more > 0 ? [`and ${counted(more, 'more child run')}, all of them with --json`] : []),
  ];
}

/** Of a run that nobody works on any more a child goes on no more either. */
const stateOf = ({ state }: ChildRecords, live: boolean): string => state ?? (live ? 'Running' : 'Unfinished');

type Column = Parameters<typeof tableLines>[0][number];

function table(columns: readonly Column[], rows: readonly (readonly string[])[], screen: Screen): readonly string[] {
  const [head, ...lines] = tableLines(columns, rows).map((line) => cutEnd(line, screen.columns, ellipsisOf(screen)));
  return [screen.paint('faint', head ?? ''), ...lines];
}

function short(value: unknown, characters = VALUE_CHARACTERS): string {
  const text = safeText(
    typeof value === 'string' ? value : typeof value === 'number' ? rounded(value) : JSON.stringify(value),
  );
  return text.length > characters ? `${text.slice(0, characters)}...` : text;
}

const rounded = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6)));

/** Each with the id of the run it is about; a child with its state, and what it recorded in lines of its own. */
export function* recordsJson(
  { runId, rootRunId = runId }: { readonly runId: string; readonly rootRunId?: string },
  records: AllRecords,
  live: boolean,
): Generator<object> {
  yield* ofRun(runId, records);
  if (records.parent) yield* ofRun(rootRunId, records.parent);
  for (const { metrics, tags, properties, files, models, ...child } of records.children) {
    yield { type: 'child', run: runId, ...child, state: stateOf(child as ChildRecords, live) };
    yield* ofRun(child.id, { metrics, tags, properties, files, models });
  }
  yield {
    type: 'records',
    run: runId,
    facts: records.facts,
    unreadable: records.unreadable,
    dropped: records.dropped,
    children: records.children.length,
  };
}

function* ofRun(run: string, { metrics, tags, properties, files, models }: RunRecords): Generator<object> {
  for (const metric of metrics) yield { type: 'metric', run, ...metric };
  for (const [name, value] of Object.entries(tags)) yield { type: 'tag', run, name, value };
  for (const [name, value] of Object.entries(properties)) yield { type: 'property', run, name, value };
  for (const file of files) yield { type: 'file', run, ...file };
  for (const model of models) yield { type: 'model', run, ...model };
}

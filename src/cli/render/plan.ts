import { shownOutput } from '../../domain/input.ts';
import type { Column } from '../../domain/plan.ts';
import { stepsOf } from '../../domain/transform.ts';
import type { TableStep } from '../../domain/transform.ts';
import { count, counted, miniBatches, safeText } from '../../views/text/words.ts';
import type { PlanPreview } from '../../sdk/index.ts';
import type { EffectiveSetting } from '../../job/index.ts';
import { ellipsisOf, type Screen } from './screen.ts';
import { tableLines } from './table.ts';
import { cutEnd, cutMiddle, displayWidth } from './width.ts';

/** What a job would do: settings with their origin, then the mini-batches. */
export function planLines(preview: PlanPreview, screen: Screen): readonly string[] {
  const { plan } = preview;
  return [
    screen.paint('strong', safeText(plan.displayName)),
    ...[
      ['run', plan.runId],
      ['script', `${plan.entry.codeFolder}/${plan.entry.file}`],
      [
        'output',
        plan.output.action === 'append_row'
          ? shownOutput(plan, plan.output.file)
          : `${shownOutput(plan, plan.outputFolder)} (summary only)`,
      ],
      ['logs', `${plan.runFolder}/logs`],
    ].map(([label, text]) =>
      cutMiddle(`  ${(label ?? '').padEnd(7)} ${safeText(text ?? '')}`, screen.columns, ellipsisOf(screen)),
    ),
    '',
    screen.paint('strong', 'Settings'),
    ...settingLines(preview.settings, screen),
    ...(preview.schema === undefined ? [] : schemaLines(preview.schema, screen)),
    ...stepLines(preview, screen),
    '',
    screen.paint('strong', 'Mini-batches'),
    ...miniBatchLines(preview, screen),
  ];
}

function settingLines(settings: readonly EffectiveSetting[], screen: Screen): readonly string[] {
  const rows = settings.map((setting) => [
    `  ${safeText(setting.name)}`,
    valueText(setting.value),
    originText(setting),
  ]);
  // A long value must not push the origins of all others off the screen.
  const [name, origin] = [0, 2].map((place) => Math.max(12, ...rows.map((row) => displayWidth(row[place] ?? '')))) as [
    number,
    number,
  ];
  const room = Math.max(10, screen.columns - name - origin - 4);
  const cut = rows.map(([label = '', value = '', from = '']) => [
    label,
    cutMiddle(value, room, ellipsisOf(screen)),
    from,
  ]);
  return tableLines([{ title: '  SETTING' }, { title: 'VALUE' }, { title: 'FROM' }], cut).map((line) =>
    cutEnd(line, screen.columns, ellipsisOf(screen)),
  );
}

/** Of a value of the profile also its file and key. */
function originText({ origin, place }: EffectiveSetting): string {
  return place === undefined ? origin : `${origin} (${safeText(place)})`;
}

function valueText(value: string): string {
  return value === '' ? '-' : safeText(value);
}

/** What an MLTable does with the rows, in its order. */
function stepLines({ plan }: PlanPreview, screen: Screen): readonly string[] {
  const lines = stepsOf(plan.inputs).map((step) => `  ${safeText(stepText(step))}`);
  if (lines.length === 0) return [];
  return ['', screen.paint('strong', 'Transformations of the MLTable'), ...lines.map((line) => cutEnd(line, screen.columns, ellipsisOf(screen)))]; // prettier-ignore
}

function stepText(step: TableStep): string {
  switch (step.step) {
    case 'drop':
    case 'keep':
      return `${step.step}_columns ${step.columns.join(', ')}`;
    case 'convert': {
      const formats = step.to.type === 'datetime' ? step.to.formats : [];
      return `convert_column_types ${step.columns.join(', ')} to ${step.to.type}${formats.length > 0 ? ` (${formats.join(', ')})` : ''}`;
    }
    case 'extract':
      return `extract_columns_from_partition_format ${step.format}`;
    case 'path':
      return 'include_path_column';
    case 'empty':
      return 'empty_as_string';
    case 'filter':
      return `filter ${step.text}`;
    case 'skip':
    case 'take':
      return `${step.step} ${count(step.count)}`;
  }
}

function pickedText({ seen, taken, ended }: NonNullable<PlanPreview['picked']>): string {
  const of = ended ? `the first ${counted(seen, 'row')}: those behind are not read` : counted(seen, 'row');
  return `the transformations leave ${taken === 0 ? 'none' : count(taken)} of ${of}`;
}

function schemaLines(schema: NonNullable<PlanPreview['schema']>, screen: Screen): readonly string[] {
  const titles = [{ title: '  COLUMN' }, { title: 'TYPE' }];
  const shown = schema.filter(({ hidden }) => hidden !== true);
  const rows = shown.map((column) => [`  ${safeText(column.name)}`, column.native ?? column.type]);
  if (shown.every(({ lacking }) => lacking === undefined))
    return ['', screen.paint('strong', 'Columns'), ...tableLines(titles, rows)];
  const lacking = shown.map(({ lacking: files }, i) => [...(rows[i] ?? []), files ? lackingText(files) : '']);
  return ['', screen.paint('strong', 'Columns'), ...tableLines([...titles, { title: 'MISSING IN' }], lacking)];
}

const lackingText = ({ files, example }: NonNullable<Column['lacking']>): string =>
  files === 1 ? safeText(example) : `${counted(files, 'file')}, the first: ${safeText(example)}`;

function miniBatchLines(preview: PlanPreview, screen: Screen): readonly string[] {
  const { sizes, first } = preview;
  if (preview.elsewhere === true) {
    const urls = (preview.plan.remote?.inputs ?? []).map(({ url }) =>
      cutEnd(`  ${safeText(url)}`, screen.columns, ellipsisOf(screen)),
    );
    return ['  the input is remote, and not listed before the run begins:', ...urls];
  }
  if (preview.uncounted === true)
    return ['  not counted: all rows would have to be read, and the table is larger than 256 MiB'];
  const atLeast = preview.truncated === true ? 'at least ' : '';
  const spread =
    sizes.min === sizes.max
      ? `${counted(sizes.max, 'item')} each`
      : `${count(sizes.min)} to ${count(sizes.max)} items each, median ${count(sizes.median)}`;
  const more = preview.miniBatches - first.length;
  return [
    `  ${atLeast}${miniBatches(preview.miniBatches)} of ${counted(preview.items, 'item')}${preview.items > 0 ? `, ${spread}` : ''}`,
    ...(preview.picked ? [`  ${pickedText(preview.picked)}`] : []),
    ...first.map(({ index, items, description }) =>
      cutEnd(
        `  ${String(index).padStart(6)}  ${counted(items, 'item').padEnd(9)}  ${safeText(description)}`,
        screen.columns,
        ellipsisOf(screen),
      ),
    ),
    ...(more > 0 ? [`  and ${count(more)} more`] : []),
  ];
}

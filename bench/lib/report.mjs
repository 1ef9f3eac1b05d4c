/** Results as Markdown, for the terminal and for the page alike. Pure: no clock, no files. */
import { ratios, spread } from './stats.mjs';

/** Three digits that count, thousands with commas. */
export function figure(value) {
  if (value === undefined || !Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 999.5) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
  if (size === 0) return '0';
  return size < 0.001 ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

/** Median, and the smallest and largest where there were several. */
export function withSpread(values) {
  const found = spread(values);
  if (found === undefined) return '-';
  const { median, min, max } = found;
  return values.length === 1 ? figure(median) : `${figure(median)} (${figure(min)}..${figure(max)})`;
}

/** @param {readonly (readonly string[])[]} rows the first one is the head */
export function markdownTable(rows) {
  const safe = rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')));
  const widths = safe[0].map((_, i) => Math.max(3, ...safe.map((row) => row[i].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return [line(safe[0]), line(widths.map((width) => '-'.repeat(width))), ...safe.slice(1).map(line)].join('\n');
}

function cellsOf(section, row) {
  const base = section.rows.find(({ id }) => id === section.base);
  const of = (from, key) => from.runs.map((run) => run[key]).filter((value) => value !== undefined);
  const [first, ...others] = section.columns.map(({ key }) => withSpread(of(row, key)));
  const { key, better } = section.columns[0];
  const times = base === undefined || row === base ? [] : ratios(of(row, key), of(base, key), better);
  const compared = section.share === undefined ? times : times.map((one) => 1 / one);
  return [row.name, first, row === base ? '1' : withSpread(compared), ...others];
}

const loadText = ({ load, busy }) => figure(load) + (busy === undefined ? '' : ` (${figure(busy)} cores busy)`);

/**
 * A heading, a table with a row a case, what failed, the load before each repetition.
 * @param section as `measure` gives it: `rows` of cases with the values of their runs, `loads` of the repetitions;
 *   with `share`, a heading, its ratios say which share of the base's speed a case has; `compared`: another heading for
 *   how many times as fast the base is
 */
export function sectionText(section) {
  const [first, ...others] = section.columns.map(({ head }) => head);
  const good = section.rows.filter(({ runs }) => runs.length > 0);
  const baseName = section.rows.find(({ id }) => id === section.base)?.name ?? section.base;
  const head = ['', first, section.share ?? section.compared ?? `${baseName}: times as fast`, ...others];
  return [
    `### ${section.title}`,
    '',
    ...(good.length > 0 ? [markdownTable([head, ...good.map((row) => cellsOf(section, row))]), ''] : []),
    ...section.rows.flatMap(({ name, failed }) => (failed === undefined ? [] : [`- ${name}: not measured: ${failed}`])),
    ...(section.asked === undefined ? [] : [`- Asked for: ${section.asked}`]),
    `- Repetitions: ${section.loads.length}; load before each: ${section.loads.map(loadText).join(', ')}`,
  ].join('\n');
}

/** All sections of all benchmarks in the order they are named, with date, machine and versions above each benchmark. */
export function resultsText(results, names) {
  return names
    .filter((name) => results[name] !== undefined)
    .map((name) => {
      const { date, machine, versions, quick, sections } = results[name];
      return [
        `## Figures: ${name}`,
        '',
        `${date}, ${machine}${quick ? '; tiny sizes (`--quick`), good for nothing but to see that it runs' : ''}.`,
        `${Object.entries(versions)
          .map(([what, version]) => `${what} ${version}`)
          .join(', ')}.`,
        '',
        sections.map(sectionText).join('\n\n'),
      ].join('\n');
    })
    .join('\n\n');
}

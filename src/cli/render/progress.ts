/** A run under way: the window of a terminal, and the plain line for pipes and CI. Pure functions of its status. */
import { splitWorkerId } from '../../domain/ids.ts';
import type { RunningTry, RunStatus } from '../../views/status.ts';
import { count, counted, duration, itemsText, miniBatches, safeText } from '../../views/text/words.ts';
import { clockTime, rate } from './format.ts';
import { ellipsisOf, lineOf, type Screen, type Span } from './screen.ts';
import { cutMiddle } from './width.ts';

/** Lines of the window at most. */
export const WINDOW_LINES_MAX = 8;
const SLOWEST_LINES_MAX = 3;
const BAR_COLUMNS_MAX = 50;
const BAR_COLUMNS_MIN = 5;

/** Names a mini-batch by its first item; undefined while that is being looked up. */
export type Describe = (index: number) => string | undefined;

/** At most `WINDOW_LINES_MAX` lines, none wider than the screen. */
export function windowLines(status: RunStatus, screen: Screen, nowMs: number, describe?: Describe): readonly string[] {
  const lines = [
    lineOf(headSpans(status), screen),
    barLine(status, screen),
    lineOf(countSpans(status), screen),
    lineOf([speedText(status, nowMs)], screen),
  ];
  const error = errorSpans(status);
  const room = WINDOW_LINES_MAX - lines.length - (error === undefined ? 0 : 1);
  for (const running of status.slowest.slice(0, Math.min(room, SLOWEST_LINES_MAX))) {
    lines.push(lineOf([slowText(running, screen, nowMs, describe)], screen));
  }
  if (error !== undefined) lines.push(lineOf(error, screen));
  return lines;
}

function headSpans(status: RunStatus): readonly Span[] {
  const nodes = status.nodes.length > 1 ? ` on ${counted(status.nodes.length, 'node')}` : '';
  const retries = status.retries > 0 ? `, ${counted(status.retries, 'retry', 'retries')}` : '';
  return [
    [safeText(status.runId), 'strong'],
    `  ${status.stage}, ${duration(status.elapsedSeconds * 1000)}`,
    [`  ${workersText(status.workers)}${nodes}${retries}`, 'faint'],
  ];
}

function workersText({ loading, initializing, ready }: RunStatus['workers']): string {
  const waiting = loading + initializing;
  return `${counted(ready + waiting, 'worker')}${waiting > 0 ? ` (${count(waiting)} not ready)` : ''}`;
}

/** Done, failed, running and left, told apart by their signs; colour only underlines it. */
function barLine(status: RunStatus, screen: Screen): string {
  const { created, creationFinished } = status.miniBatches;
  const percent = creationFinished ? percentText(status) : 'creating';
  const columns = Math.min(BAR_COLUMNS_MAX, screen.columns - percent.length - 4);
  if (columns < BAR_COLUMNS_MIN) return lineOf([percent], screen);
  const signs = screen.unicode
    ? { done: '█', failed: 'x', running: '▒', left: '·' }
    : { done: '#', failed: 'x', running: '~', left: '.' };
  const { succeeded, failed, running } = status.miniBatches;
  const [done, bad, busy] = shares([succeeded, failed, running], Math.max(created, 1), columns);
  const left = columns - (done ?? 0) - (bad ?? 0) - (busy ?? 0);
  const parts: readonly Span[] = [
    '[',
    [signs.done.repeat(done ?? 0), 'good'],
    [signs.failed.repeat(bad ?? 0), 'error'],
    [signs.running.repeat(busy ?? 0), 'warning'],
    [signs.left.repeat(left), 'faint'],
    `] ${percent}`,
  ];
  return lineOf(parts, screen);
}

/** Columns of each amount; what is there at all has at least one, and together they never exceed `columns`. */
export function shares(amounts: readonly number[], total: number, columns: number): readonly number[] {
  let left = columns;
  let before = 0;
  let drawn = 0;
  return amounts.map((amount, place) => {
    before += amount;
    const wanted = Math.max(amount > 0 ? 1 : 0, Math.floor((before / total) * columns) - drawn);
    // Keep a column for each amount still to come: one failure among a million must show.
    const reserved = amounts.slice(place + 1).filter((later) => later > 0).length;
    const given = Math.max(0, Math.min(wanted, left - reserved));
    left -= given;
    drawn += given;
    return given;
  });
}

function countSpans(status: RunStatus): readonly Span[] {
  const { created, creationFinished, succeeded, failed, running, narrowing } = status.miniBatches;
  const total = `${miniBatches(created)}${creationFinished ? '' : ' so far'}: `;
  const failedItems = status.items.failed > 0 ? `, ${counted(status.items.failed, 'failed item')}` : '';
  const failedText = `${count(failed)} failed`;
  return [
    total,
    [`${count(succeeded)} done`, 'good'],
    ', ',
    failed > 0 ? [failedText, 'error'] : failedText,
    `, ${count(running)} running`,
    narrowing > 0 ? [`, ${count(narrowing)} being narrowed down`, 'warning'] : '',
    failedItems,
  ];
}

function speedText(status: RunStatus, nowMs: number): string {
  const { itemsPerSecond, miniBatchesPerSecond, etaSeconds } = status;
  // Rank mini-batches have no items: then mini-batches are what counts.
  const speed =
    itemsPerSecond !== undefined && status.items.created > 0
      ? `${rate(itemsPerSecond)} items/s`
      : miniBatchesPerSecond === undefined
        ? 'no speed yet'
        : `${rate(miniBatchesPerSecond)} mini-batches/s`;
  return `${speed}, ${etaText(etaSeconds, nowMs)}`;
}

function etaText(etaSeconds: number | undefined, nowMs: number): string {
  if (etaSeconds === undefined) return 'time left not known yet';
  return `${duration(etaSeconds * 1000)} left (${clockTime(nowMs + etaSeconds * 1000, nowMs)})`;
}

/** Looking a name up costs a read: only what runs this long is worth it. */
const NAMED_AFTER_MS = 1000;
const NAME_COLUMNS_MIN = 12;

function slowText(running: RunningTry, screen: Screen, nowMs: number, describe: Describe | undefined): string {
  const { node, process } = splitWorkerId(running.worker);
  const ageMs = nowMs - running.sinceMs;
  const part = running.part === undefined ? '' : ` ${itemsText(running.part)}`;
  const head = `  ${duration(ageMs)}  mini-batch ${running.index}${part}`;
  const facts = `  try ${running.try}  ${safeText(node)}  ${safeText(process)}`;
  const name = ageMs < NAMED_AFTER_MS ? undefined : describe?.(running.index);
  if (name === undefined) return `${head}${facts}`;
  const room = screen.columns - head.length - facts.length - 3;
  return `${head} (${cutMiddle(safeText(name), Math.max(NAME_COLUMNS_MIN, room), ellipsisOf(screen))})${facts}`;
}

function errorSpans(status: RunStatus): readonly Span[] | undefined {
  const latest = status.errorGroups.reduce<RunStatus['errorGroups'][number] | undefined>(
    (last, group) => (last === undefined || group.lastAt > last.lastAt ? group : last),
    undefined,
  );
  if (latest === undefined) return undefined;
  const place = latest.where === undefined ? '' : `  ${safeText(latest.where.file)}:${latest.where.line}`;
  return [['last error ', 'error'], `${count(latest.tries)}x ${latest.title}`, [place, 'faint']];
}

const percentText = (status: RunStatus): string => `${Math.floor((status.progress ?? 0) * 100)} %`;

/** One line for a pipe or a CI log; no escapes, nothing cut. */
export function plainLine(status: RunStatus, nowMs: number): string {
  const { created, creationFinished, processed, failed, running, narrowing } = status.miniBatches;
  const parts = [
    status.stage,
    `${count(processed)} of ${miniBatches(created)}${creationFinished ? ` (${percentText(status)})` : ' created so far'}`,
    ...(failed > 0 ? [`${count(failed)} failed`] : []),
    ...(status.items.failed > 0 ? [counted(status.items.failed, 'failed item')] : []),
    `${count(running)} running`,
    ...(narrowing > 0 ? [`${count(narrowing)} being narrowed down`] : []),
    speedText(status, nowMs),
  ];
  return `${clockTime(nowMs, nowMs)}  ${parts.join(', ')}`;
}

/** What was printed last: when, and which twentieth of the run had been reached. */
export interface PlainMark {
  readonly atMs: number;
  readonly step: number;
}
const PLAIN_EVERY_MS = 10_000;
const STEPS = 20;

/** A line each 10 s or 5 %, whichever comes first. @returns the new mark where a line is due. */
export function plainDue(mark: PlainMark, status: RunStatus, monotonicMs: number): PlainMark | undefined {
  const step = Math.floor((status.progress ?? 0) * STEPS);
  const due = monotonicMs - mark.atMs >= PLAIN_EVERY_MS || step > mark.step;
  return due ? { atMs: monotonicMs, step } : undefined;
}

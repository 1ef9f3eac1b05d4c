/**
 * Time stamps and line prefixes of the log files. They are made several times per mini-batch, so the text of a second
 * is kept and only the fraction is formatted. None of these functions throws, whatever the number.
 */

const SECONDS_KEPT = 16;
const keptSecond: number[] = new Array<number>(SECONDS_KEPT).fill(NaN);
const keptText: string[] = new Array<string>(SECONDS_KEPT).fill('');

/** `2020-10-24T02:59:16` of a whole second since 1970 UTC. */
function secondText(second: number): string {
  const slot = ((second % SECONDS_KEPT) + SECONDS_KEPT) % SECONDS_KEPT;
  if (keptSecond[slot] === second) return keptText[slot] ?? '';
  const ms = second * 1000;
  const text = Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString().slice(0, -5) : '0000-00-00T00:00:00';
  if (!Number.isFinite(second)) return text;
  keptSecond[slot] = second;
  keptText[slot] = text;
  return text;
}

/** `000` to `999`. */
const THREE_DIGITS = Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, '0'));

const pad3 = (n: number): string => THREE_DIGITS[n] ?? '000';

/** Milliseconds since 1970 as whole milliseconds; what is not a number counts as 0. */
const wholeMs = (at: number): number => (Number.isFinite(at) ? Math.floor(at) : 0);

/** `2020-10-24T02:59:16.472Z`: stamps of `overview.txt` and of captured output. */
export function utcStamp(at: number): string {
  const ms = wholeMs(at);
  const second = Math.floor(ms / 1000);
  return `${secondText(second)}.${pad3(ms - second * 1000)}Z`;
}

/** `2020-10-24 02:59:16,472`: stamps of `master.txt` and of the worker logs. */
export function logStamp(at: number): string {
  const ms = wholeMs(at);
  const second = Math.floor(ms / 1000);
  const text = secondText(second);
  return `${text.slice(0, -9)} ${text.slice(-8)},${pad3(ms - second * 1000)}`;
}

/** `2020-10-24T02:59:16.472606`: UTC with microseconds, without a zone. */
export function microStamp(at: number): string {
  const us = Number.isFinite(at) ? Math.round(at * 1000) : 0;
  const second = Math.floor(us / 1e6);
  return `${secondText(second)}.${pad6(us - second * 1e6)}`;
}

/** Six digits of a whole number from 0 to 999,999. */
export function pad6(n: number): string {
  const thousands = Math.floor(n / 1000);
  return pad3(thousands) + pad3(n - thousands * 1000);
}

/** `mini_batch=7 try=2`: the same words in every log, so that one search finds all that there is about a try. */
export function tryLabel(index: number, attempt: number): string {
  return `mini_batch=${index} try=${attempt}`;
}

/** Prefix of each line of `70_driver_log.txt`: time, node, process, and the try it belongs to. Ends in a blank. */
export function driverLogPrefix(at: number, node: string, process: string, label = ''): string {
  return `${utcStamp(at)} ${node} ${process}${label === '' ? '' : ` ${label}`} | `;
}

/** Rates, times and ages as people write them. Pure: the time comes in. Other words: `views/text/words.ts`. */
import { count } from '../../views/text/words.ts';

/** A number a second: two digits that matter below ten. */
export function rate(perSecond: number): string {
  if (perSecond >= 10) return count(perSecond);
  return perSecond.toFixed(perSecond >= 1 ? 1 : 2);
}

const two = (n: number): string => String(n).padStart(2, '0');
const day = (date: Date): string => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const time = (date: Date): string => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

/** `14:03:22` in local time, with the day in front where it is not that of `nowMs`. */
export function clockTime(atMs: number, nowMs: number): string {
  const date = new Date(atMs);
  return date.toDateString() === new Date(nowMs).toDateString() ? time(date) : dayTime(atMs);
}

/** `2026-11-23 14:03:22`, local time. */
export function dayTime(atMs: number): string {
  const date = new Date(atMs);
  return `${day(date)} ${time(date)}`;
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3, w: 604_800e3 };

/** `30d`, `12h`, `90s`, `2w` in milliseconds; undefined for anything else, a bare number included. */
export function parseAge(text: string): number | undefined {
  const match = /^(\d{1,9}) ?([smhdw])$/i.exec(text.trim());
  const unit = UNIT_MS[(match?.[2] ?? '').toLowerCase()];
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}

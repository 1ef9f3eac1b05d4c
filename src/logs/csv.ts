/** Fields of the CSV files of the job report. */
import { pad6 } from '../domain/logline.ts';
import { cut, safeText } from '../views/text/words.ts';

const MESSAGE_CHARS_MAX = 1000;

/** Quotes a field where it needs it. */
export function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Text of others as a field: one line, harmless, at most 1000 characters. */
export function csvText(text: string): string {
  return csvField(cut(safeText(text), MESSAGE_CHARS_MAX));
}

/** Seconds with six digits; ten times faster than `toFixed`, and the hot path prints nine of them per mini-batch. */
export function seconds6(seconds: number): string {
  const us = Math.round(seconds * 1e6);
  if (!(us >= 0 && us < 1e15)) return Number.isFinite(seconds) ? seconds.toFixed(6) : '0.000000';
  const whole = Math.floor(us / 1e6);
  return `${whole}.${pad6(us - whole * 1e6)}`;
}

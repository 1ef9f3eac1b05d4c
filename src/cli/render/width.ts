/** Columns that text takes on a terminal, and cutting it to fit. A line that is one column too wide wraps and ruins a redraw. */

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** Printable ASCII: one column a character, the quick way. */
const PLAIN = /^[\x20-\x7e]*$/;
const ZERO_WIDTH = /^[\p{Control}\p{Mark}\p{Format}\u{200b}-\u{200f}\u{2028}-\u{202f}]+$/u;
const EMOJI = /\p{Emoji_Presentation}|\u{fe0f}/u;

/** Ranges of the East Asian Width property W and F, coarse where nothing else lives between. */
const WIDE: readonly (readonly [from: number, to: number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x17000, 0x18cff],
  [0x1f200, 0x1f2ff],
  [0x20000, 0x3fffd],
];

function graphemeWidth(grapheme: string): number {
  if (grapheme.length === 1 && PLAIN.test(grapheme)) return 1;
  if (ZERO_WIDTH.test(grapheme)) return 0;
  if (EMOJI.test(grapheme)) return 2;
  const point = grapheme.codePointAt(0) ?? 0;
  return WIDE.some(([from, to]) => point >= from && point <= to) ? 2 : 1;
}

/** @returns columns that `text` takes; it must hold no escape sequences and no line breaks. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** The longest start of `text` that takes at most `columns`; never half a character. */
function startOf(text: string, columns: number): string {
  if (PLAIN.test(text)) return text.slice(0, Math.max(0, columns));
  let width = 0;
  let end = 0;
  for (const { segment, index } of segmenter.segment(text)) {
    width += graphemeWidth(segment);
    if (width > columns) break;
    end = index + segment.length;
  }
  return text.slice(0, end);
}

function endOf(text: string, columns: number): string {
  if (columns <= 0) return '';
  if (PLAIN.test(text)) return text.slice(-columns);
  const segments = [...segmenter.segment(text)].reverse();
  let width = 0;
  let start = text.length;
  for (const { segment, index } of segments) {
    width += graphemeWidth(segment);
    if (width > columns) break;
    start = index;
  }
  return text.slice(start);
}

/** Cuts at the end, with an ellipsis where something was cut. */
export function cutEnd(text: string, columns: number, ellipsis = '…'): string {
  if (displayWidth(text) <= columns) return text;
  if (columns <= ellipsis.length) return startOf(text, columns);
  return startOf(text, columns - ellipsis.length) + ellipsis;
}

/** Cuts in the middle: what tells paths apart is at their ends. */
export function cutMiddle(text: string, columns: number, ellipsis = '…'): string {
  if (displayWidth(text) <= columns) return text;
  const room = columns - ellipsis.length;
  if (room < 2) return cutEnd(text, columns, ellipsis);
  const tail = Math.ceil(room * 0.6);
  return startOf(text, room - tail) + ellipsis + endOf(text, tail);
}

/** Fills up with spaces to `columns`; longer text stays as it is. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - displayWidth(text)));
}
export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - displayWidth(text))) + text;
}

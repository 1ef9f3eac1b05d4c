import pc from 'picocolors';
import { unreachable } from '../../domain/assert.ts';
import { plain, type Paint, type TextStyle } from '../../views/text/problem.ts';
import { cutEnd, displayWidth } from './width.ts';

/** What a renderer must know about where its lines will be shown. */
export interface Screen {
  /** Columns a line may take at most. */
  readonly columns: number;
  readonly paint: Paint;
  /** False: ASCII only, for bars and ellipses. */
  readonly unicode: boolean;
}

/** A piece of a line, with its style. */
export type Span = string | readonly [text: string, style: TextStyle];

const colors = pc.createColors(true);

function colored(style: TextStyle, text: string): string {
  switch (style) {
    case 'error':
      return colors.red(text);
    case 'warning':
      return colors.yellow(text);
    case 'good':
      return colors.green(text);
    case 'strong':
      return colors.bold(text);
    case 'faint':
      return colors.dim(text);
    default:
      return unreachable(style);
  }
}

export const paintFor = (color: boolean): Paint => (color ? colored : plain);
export const ellipsisOf = (screen: Screen): string => (screen.unicode ? '…' : '...');

/** One line of pieces, cut to the width of the screen before colours are added, so that escapes are never cut. */
export function lineOf(spans: readonly Span[], screen: Screen): string {
  let left = screen.columns;
  let line = '';
  for (const span of spans) {
    const [text, style] = typeof span === 'string' ? [span, undefined] : span;
    const shown = cutEnd(text, left, ellipsisOf(screen));
    line += style === undefined || shown === '' ? shown : screen.paint(style, shown);
    left -= displayWidth(shown);
    if (shown !== text || left <= 0) break;
  }
  return line;
}

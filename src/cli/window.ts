import type { Output } from './deps.ts';
import type { Window } from './console.ts';
import { frame } from './render/frame.ts';

/** The last lines of a terminal, drawn over and over; everything else goes above them and scrolls as usual. */
export class TerminalWindow implements Window {
  private lines: readonly string[] = [];
  private busy = false;
  private readonly output: Output;

  constructor(output: Output) {
    this.output = output;
  }

  /** Skipped while the terminal has not taken the last drawing: a slow line must not pile up frames. */
  draw(lines: readonly string[]): void {
    if (this.busy || sameLines(lines, this.lines)) return;
    this.write(frame(this.lines, lines, this.columns), lines);
  }

  above(text: string): void {
    this.write(`${frame(this.lines, [], this.columns)}${text}${frame([], this.lines, this.columns)}`, this.lines);
  }

  /** Takes the window away: the lines that follow say it all. */
  clear(): void {
    this.write(frame(this.lines, [], this.columns), []);
  }

  private get columns(): number {
    return this.output.size().columns;
  }

  private write(text: string, lines: readonly string[]): void {
    this.lines = lines;
    this.busy = true;
    void this.output.write(text).then(() => (this.busy = false));
  }
}

const sameLines = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((line, place) => line === b[place]);

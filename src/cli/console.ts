/**
 * Where words of a command go: people's text to standard output, or with `--json` to standard error while standard
 * output carries NDJSON only. Problems always reach standard error, and with `--json` standard output too.
 */
import type { Problem } from '../domain/problem.ts';
import { problemText } from '../views/text/problem.ts';
import type { CliDeps, Output } from './deps.ts';
import { paintFor, type Screen } from './render/screen.ts';

/** Something that owns the last lines of a terminal; other text must go above it. */
export interface Window {
  above(text: string): void;
}

export class Console {
  readonly json: boolean;
  /** The stream that people read. */
  readonly human: Output;
  private readonly deps: CliDeps;
  private window: Window | undefined;

  constructor(deps: CliDeps, json: boolean) {
    this.deps = deps;
    this.json = json;
    this.human = json ? deps.stderr : deps.stdout;
  }

  /** True where lines may be redrawn: a terminal that nobody asked to keep plain. */
  get interactive(): boolean {
    const { TERM, CI, NO_COLOR } = this.deps.env;
    return this.human.isTerminal && TERM !== 'dumb' && isOff(CI) && isOff(NO_COLOR);
  }

  screen(output: Output = this.human): Screen {
    const { TERM, NO_COLOR, LC_ALL, LC_CTYPE, LANG } = this.deps.env;
    const locale = LC_ALL || LC_CTYPE || LANG || 'UTF-8';
    return {
      columns: output.isTerminal ? output.size().columns : WIDE_COLUMNS,
      paint: paintFor(output.isTerminal && TERM !== 'dumb' && isOff(NO_COLOR)),
      unicode: TERM !== 'dumb' && TERM !== 'linux' && /utf-?8/i.test(locale),
    };
  }

  /** Lines for people; where a window is shown they go above it. */
  say(lines: string | readonly string[]): void {
    const text = `${typeof lines === 'string' ? lines : lines.join('\n')}\n`;
    if (this.window === undefined) void this.human.write(text);
    else this.window.above(text);
  }

  /** One NDJSON line, only with `--json`. Resolves when the reader took it. */
  emit(line: object): Promise<void> {
    return this.json ? this.deps.stdout.write(`${JSON.stringify(line)}\n`) : Promise.resolve();
  }

  async problems(problems: readonly Problem[]): Promise<void> {
    const screen = this.screen(this.deps.stderr);
    for (const problem of problems) {
      const text = `${problemText(problem, { color: screen.paint })}\n`;
      if (this.window !== undefined && this.human === this.deps.stderr) this.window.above(text);
      else void this.deps.stderr.write(text);
      await this.emit({ type: 'problem', ...problem });
    }
  }

  /** @param window undefined once its lines are final. */
  setWindow(window: Window | undefined): void {
    this.window = window;
  }
}

/** Text that isn't shown on a terminal is never cut to a width. */
const WIDE_COLUMNS = 10_000;

const isOff = (value: string | undefined): boolean => value === undefined || value === '' || value === '0';

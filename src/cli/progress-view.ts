import type { RunStatus } from '../views/status.ts';
import type { Console } from './console.ts';
import type { CliDeps } from './deps.ts';
import { plainDue, plainLine, windowLines, type Describe, type PlainMark } from './render/progress.ts';
import { TerminalWindow } from './window.ts';

const REDRAW_MS = 100;
const PLAIN_CHECK_MS = 500;

/** Shows how a run goes on until the returned function is called. */
export function showProgress(deps: CliDeps, console: Console, status: () => RunStatus, describe: Describe): () => void {
  return console.interactive ? showWindow(deps, console, status, describe) : showPlain(deps, console, status);
}

function showWindow(deps: CliDeps, console: Console, status: () => RunStatus, describe: Describe): () => void {
  const window = new TerminalWindow(console.human);
  console.setWindow(window);
  const draw = (): void => {
    const screen = console.screen();
    // The last column stays free: some terminals wrap already when it is filled. The window fits below the prompt.
    const lines = windowLines(status(), { ...screen, columns: Math.max(1, screen.columns - 1) }, deps.now(), describe);
    window.draw(lines.slice(0, Math.max(1, console.human.size().rows - 1)));
  };
  draw();
  const stop = deps.timer(REDRAW_MS, draw, 'every');
  return () => {
    stop();
    console.setWindow(undefined);
    window.clear();
  };
}

function showPlain(deps: CliDeps, console: Console, status: () => RunStatus): () => void {
  let mark: PlainMark = { atMs: deps.monotonic(), step: 0 };
  return deps.timer(
    PLAIN_CHECK_MS,
    () => {
      const now = status();
      const next = plainDue(mark, now, deps.monotonic());
      if (next === undefined) return;
      mark = next;
      console.say(plainLine(now, deps.now()));
    },
    'every',
  );
}

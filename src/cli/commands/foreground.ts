/** What `test` and `replay` share: one mini-batch in the foreground. */
import type { Plan } from '../../domain/plan.ts';
import type { CommandInput } from '../command.ts';
import type { DebugWaiting } from '../deps.ts';
import type { ForegroundReport } from '../../sdk/index.ts';
import { debugLines, reportLines } from '../render/foreground.ts';
import { exitCodeOf, type CancelCause } from '../signals.ts';
import { StopControl } from '../stop-control.ts';

export interface ForegroundHooks {
  readonly signal: AbortSignal;
  readonly onDebugWaiting: (where: DebugWaiting) => void;
}

/** Ends one mini-batch on the first signal; on the second nothing is waited for any more. */
class ForegroundStop {
  readonly aborting = new AbortController();
  private readonly input: CommandInput;

  constructor(input: CommandInput) {
    this.input = input;
  }

  cancel(_how: 'orderly' | 'now', by: CancelCause): void {
    const { deps, console } = this.input;
    if (this.aborting.signal.aborted) deps.leave(exitCodeOf(by));
    console.say('Canceling: the mini-batch is ended. Ctrl-C again leaves at once.');
    this.aborting.abort();
  }
}

/**
 * Runs it with Ctrl-C under control and tells what came of it.
 * @param interactive the script's own debugger reads the terminal: Ctrl-C is for it.
 */
export async function inForeground(
  input: CommandInput,
  { plan, interactive }: { readonly plan: Plan; readonly interactive: boolean },
  work: (hooks: ForegroundHooks) => Promise<ForegroundReport>,
): Promise<number> {
  const { deps, console } = input;
  const target = new ForegroundStop(input);
  const stop = new StopControl(
    interactive ? { ...deps, onSignal: withoutCtrlC(deps.onSignal) } : deps,
    () => undefined,
  );
  stop.attach(target);
  const onDebugWaiting = (where: DebugWaiting): void => {
    console.say(debugLines(where, plan, console.screen()));
    void console.emit({ type: 'debug-waiting', ...where });
  };
  try {
    const report = await work({ signal: target.aborting.signal, onDebugWaiting });
    console.say(reportLines(report, console.screen()));
    await console.emit({ type: 'foreground-result', ...report });
    return report.exitCode;
  } catch (error) {
    throw stop.explain(error, 'canceled before the mini-batch ended');
  } finally {
    stop.release();
  }
}

type OnSignal = CommandInput['deps']['onSignal'];
/** Ctrl-C reaches the debugger by itself; here it must only not end this process. */
const withoutCtrlC =
  (onSignal: OnSignal): OnSignal =>
  (listener) =>
    onSignal((signal) => {
      if (signal !== 'SIGINT') listener(signal);
    });

import { unreachable } from '../domain/assert.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { CliDeps } from './deps.ts';
import {
  GOING,
  exitCodeOf,
  stopStep,
  type CancelCause,
  type StopCommand,
  type StopInput,
  type StopState,
} from './signals.ts';

const NOTHING_YET = 'Canceling: no mini-batch has been started.';

/** What can be told to cancel: a run, once there is one. */
export interface Cancelable {
  cancel(how: 'orderly' | 'now', by: CancelCause): void;
}

/** Carries out what `stopStep` decides: listens to signals, keeps the bound of SIGTERM, cancels. */
export class StopControl {
  private state: StopState = GOING;
  private target: Cancelable | undefined;
  private stopBound: (() => void) | undefined;
  private readonly aborting = new AbortController();
  private readonly unlisten: () => void;
  private readonly deps: CliDeps;
  private readonly say: (text: string) => void;

  constructor(deps: CliDeps, say: (text: string) => void) {
    this.deps = deps;
    this.say = say;
    this.unlisten = deps.onSignal((signal) => this.take({ type: 'signal', signal }));
  }

  /** Aborted when somebody cancels while there is nothing to cancel yet. */
  get signal(): AbortSignal {
    return this.aborting.signal;
  }

  /** Who asked for the end first; undefined while nobody did. */
  private get asked(): CancelCause | undefined {
    return this.state.phase === 'going' ? undefined : this.state.by;
  }

  /** What is told of an error: where somebody asked for the end, that is why. */
  explain(error: unknown, what: string): unknown {
    if (this.asked === undefined) return error;
    return new ParallelRunError([{ code: 'PR5905', severity: 'error', what }], exitCodeOf(this.asked), {
      cause: error,
    });
  }

  /** From here on cancelling reaches `target`; what was asked for before reaches it at once. */
  attach(target: Cancelable): void {
    this.target = target;
    if (this.state.phase === 'orderly') target.cancel('orderly', this.state.by);
    if (this.state.phase === 'at-once') target.cancel('now', this.state.by);
  }

  /** Signals do again what they always do. */
  release(): void {
    this.stopBound?.();
    this.unlisten();
  }

  private take(input: StopInput): void {
    const { state, commands } = stopStep(this.state, input, this.deps.monotonic());
    this.state = state;
    for (const command of commands) this.carryOut(command);
  }

  private carryOut(command: StopCommand): void {
    switch (command.do) {
      case 'cancel':
        if (this.target === undefined) this.aborting.abort();
        else this.target.cancel(command.how, command.by);
        return;
      case 'start-bound':
        this.stopBound = this.deps.timer(command.ms, () => this.take({ type: 'bound-over' }));
        return;
      case 'say':
        this.say(this.target === undefined ? NOTHING_YET : command.text);
        return;
      case 'leave':
        this.deps.leave(command.exitCode);
        return;
      default:
        unreachable(command);
    }
  }
}

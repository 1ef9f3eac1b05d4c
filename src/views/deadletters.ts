/**
 * Dead letters: items that were given up, each with its cause. Made when their mini-batch ends, one after the other, and
 * not kept: of a run with a hundred thousand of them nothing but what is being narrowed down is in memory.
 */
import type { RunEvent, TryFinished } from '../domain/event.ts';
import type { TryFailure } from '../domain/failure.ts';
import { splitWorkerId } from '../domain/ids.ts';
import { logPath } from '../domain/layout.ts';
import { utcStamp } from '../domain/logline.ts';
import { FailedParts, endsMiniBatch, type DeadCause } from './failedparts.ts';
import { replayCommand, type RunContext } from './text/cause.ts';
import { codeOfTryFailure } from './text/codes.ts';
import { failureTitle } from './text/failure.ts';
import { cut, safeJson } from './text/words.ts';

const LAST_LINES_MAX = 20;
const LINE_CHARS_MAX = 1000;

/** A line of `dead_letters.jsonl`, its keys in this order; what is not known is null. */
export interface DeadLetter {
  readonly mini_batch: number;
  /** In the mini-batch, from 0. */
  readonly position: number;
  /** Path of the file, or file and number of the row. */
  readonly item: string | null;
  /** One line. */
  readonly cause: string;
  /** `PRxxxx`. */
  readonly code: string | null;
  /** Kind of the failure. */
  readonly kind: TryFailure['kind'] | null;
  readonly exception_type: string | null;
  /** That ended the process. */
  readonly signal: string | null;
  /** With which the process ended. */
  readonly exit_code: number | null;
  /** Address of the node. */
  readonly node: string;
  /** `Process-2`. */
  readonly process: string;
  readonly pid: number;
  readonly try: number;
  readonly dispatch: number;
  /** Highest that was seen of the process and what it started. */
  readonly peak_memory_bytes: number | null;
  /** The last that was printed before the end. Of several items given up together only at the first. */
  readonly last_lines: readonly string[];
  /** Known to be this item; false: it was among others that failed and were not run one by one. */
  readonly narrowed: boolean;
  /** UTC. */
  readonly at: string;
  /** File with the traceback, relative to the run folder. */
  readonly log: string;
  /** Command that runs exactly this item again. */
  readonly replay: string;
}

export class DeadLettersFold {
  private readonly context: RunContext;
  private readonly parts = new FailedParts();

  /** @param context its `itemName` names the items */
  constructor(context: RunContext) {
    this.context = context;
  }

  /**
   * Takes the next event.
   * @returns the dead letters of the mini-batch that it ends; each is there only until the next one is asked for
   */
  apply(event: RunEvent): Iterable<DeadLetter> {
    if (event.type === 'run-resumed') this.parts.clear();
    if (event.type !== 'try-finished') return [];
    if (event.settles === 'narrow') this.parts.keep(event);
    return endsMiniBatch(event) ? this.letters(event, this.parts.take(event)) : [];
  }

  private *letters(event: TryFinished, causes: readonly DeadCause[]): Generator<DeadLetter> {
    const { index, items } = event;
    for (const cause of causes) {
      const letter = letterOf(event, cause);
      for (let position = cause.from; position < cause.to; position++) {
        letter.position = position;
        letter.item = this.context.itemName?.(index, position) ?? null;
        letter.replay = replayCommand(this.context, index, items > 1 ? position : undefined);
        if (position > cause.from) letter.last_lines = [];
        yield letter;
      }
    }
  }
}

/** One line of JSON that does nothing to a terminal either. */
export function deadLetterLine(letter: DeadLetter): string {
  return `${safeJson(letter)}\n`;
}

type Draft = { -readonly [K in keyof DeadLetter]: DeadLetter[K] };

/** Of the first item of a cause; filled anew for each further one, since there may be many thousand of them. */
function letterOf(event: TryFinished, { from, by = event, narrowed, dispatch }: DeadCause): Draft {
  const { failure, worker, pid, peakMemoryBytes, lastLines = [] } = by;
  const { node, process } = splitWorkerId(worker);
  return {
    mini_batch: event.index,
    position: from,
    item: null,
    cause: failure === undefined ? by.status : failureTitle(failure),
    code: failure === undefined ? null : codeOfTryFailure(failure),
    kind: failure?.kind ?? null,
    exception_type: failure !== undefined && 'exceptionType' in failure ? failure.exceptionType : null,
    ...exitOf(failure),
    node,
    process,
    pid,
    try: by.try,
    dispatch,
    peak_memory_bytes: peakMemoryBytes ?? null,
    last_lines: lastLines.slice(-LAST_LINES_MAX).map((line) => cut(line, LINE_CHARS_MAX)),
    narrowed,
    at: utcStamp(by.at),
    log: logPath.userError(node, process),
    replay: '',
  };
}

function exitOf(failure: TryFailure | undefined): Pick<DeadLetter, 'signal' | 'exit_code'> {
  if (failure?.kind !== 'worker-lost') return { signal: null, exit_code: null };
  const { exit } = failure;
  return exit.by === 'signal' ? { signal: exit.signal, exit_code: null } : { signal: null, exit_code: exit.code };
}

import { logPath } from '../../domain/layout.ts';
import { isOn, type CommandInput } from '../command.ts';
import type { CliDeps, CliSdk, StoredRun } from '../deps.ts';
import { locate } from '../find-run.ts';
import { findLog, logTree, noSuchLog, openLog, type LogFile } from '../log-files.ts';
import { LogReader } from '../log-reader.ts';
import { logTreeLines, meaningOf } from '../render/logtree.ts';

const POLL_MS = 200;
/** Polls between two looks at whether the run goes on. */
const LIVE_EVERY = 5;

/** The tree of a run's logs, or one file of it; with `-f` until the run ends. */
export async function execute(input: CommandInput): Promise<number> {
  const { deps, args, parsed } = input;
  const { root, runId } = await locate(deps, parsed, args[0] ?? '');
  const folder = `${root}/${runId}`;
  const follow = isOn(parsed, 'follow');
  const path = args[1] ?? (follow ? logPath.overview : undefined);
  if (path === undefined) return showTree(input, folder, undefined);
  const run = follow ? await followed(await deps.sdk(), root, runId) : undefined;
  const file = await waitFor(deps, folder, path, run);
  if (file.kind === 'folder') return showTree(input, folder, file.name);
  return copy(input, file, run);
}

type Followed = Pick<StoredRun, 'live'>;

async function followed(sdk: CliSdk, root: string, runId: string): Promise<Followed> {
  return (await sdk.openPipeline(root, runId)) ?? (await sdk.openRun(root, runId));
}

async function showTree({ console }: CommandInput, folder: string, under: string | undefined): Promise<number> {
  const entries = await logTree(folder, under);
  for (const entry of entries) {
    const meaning = meaningOf(entry.path);
    await console.emit({ type: 'log-file', ...entry, ...(meaning === undefined ? {} : { meaning }) });
  }
  if (!console.json) console.say(logTreeLines(entries, console.screen()));
  return 0;
}

/** With `-f` a file that isn't there yet is waited for while the run goes on. */
async function waitFor(deps: CliDeps, folder: string, path: string, run: Followed | undefined): Promise<LogFile> {
  for (;;) {
    const goesOn = (await run?.live()) ?? false;
    const file = await findLog(folder, path);
    if (file !== undefined) return file;
    if (!goesOn) throw await noSuchLog(folder, path);
    await pause(deps);
  }
}

async function copy({ deps, console }: CommandInput, file: LogFile, run: Followed | undefined): Promise<number> {
  // With --json the lines of the file are data of NDJSON lines, so that standard output stays valid.
  const output = console.json ? jsonLines(console, deps) : deps.stdout;
  const reader = new LogReader(await openLog(file), output);
  try {
    for (let polls = 0; ; polls++) {
      // Asked before the copy: what a run writes before it ends is in the copy after its end.
      const over = run === undefined || (polls % LIVE_EVERY === 0 && !(await run.live()));
      if (!(await reader.copyOn()) || over) return 0;
      await pause(deps);
    }
  } finally {
    await reader.close();
  }
}

function jsonLines(console: CommandInput['console'], deps: CliDeps): CliDeps['stdout'] {
  const decoder = new TextDecoder();
  return {
    isTerminal: false,
    size: () => deps.stdout.size(),
    flush: () => deps.stdout.flush(),
    get closed() {
      return deps.stdout.closed;
    },
    write: (chunk) => {
      const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
      return console.emit({ type: 'log-text', text });
    },
  };
}

const pause = (deps: CliDeps): Promise<void> => new Promise((resolve) => deps.timer(POLL_MS, () => resolve()));

/** The input of a run that goes on: is it the one that the run began with, and what of it is still to be listed? */
import {
  DatasetError,
  ensureCopies,
  gathering,
  ensureGroups,
  InputCheck,
  ListingDiffers,
  Stamps,
  changedSince,
  isCopied,
  openManifest,
  relist,
} from '../dataset/index.ts';
import type { ChangedSince, GroupCutting, ListingDifference } from '../dataset/index.ts';
import type { Recovery } from '../core/recover.ts';
import { runLayout } from '../domain/layout.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Column, Plan } from '../domain/plan.ts';
import type { Draft, OrchestratorParts } from '../orchestrator/index.ts';
import { counted } from '../views/text/words.ts';
import { someFiles } from '../views/text/inputdiffers.ts';
import { groupingMemory } from './failpoints.ts';
import { notInput } from './input.ts';
import type { OpenedInput } from './input.ts';
import { Notes } from './notes.ts';
import { doneInputChanged, doneInputChangedNote, inputDiffers, noRescan, refused } from './resume-problems.ts';

export interface InputOptions {
  /** Changed files of what is still to be done are taken as they are now. */
  readonly acceptChangedInput?: boolean;
  /** New files become mini-batches behind all others; missing ones are no reason to stop. */
  readonly rescan?: boolean;
  /** Everything is looked at before anything starts, and files of done mini-batches must not have changed. */
  readonly strict?: boolean;
}

/** Inputs up to so many files and mini-batches are looked at before anything starts, */
const SMALL_FILES = 10_000;
/** unless that takes longer. */
const SMALL_MS = 1_000;
const ACCEPTED_SHOWN = 20;

export interface PastInput {
  /** Mini-batches of the manifest that count. */
  readonly kept: number;
  readonly items: number;
  /** All of the input is listed, which the ledger says too, and is what it was. */
  readonly finished: boolean;
  readonly input: OpenedInput;
  readonly check: NonNullable<OrchestratorParts['checkInput']>;
  /** Closes what the checks have open. */
  readonly close: () => void;
}

/**
 * Looks at the input of a run. What takes long is looked at while the run goes on: then it is part of its drafts, which
 * don't end before everything was seen, so that a run never completes over an input that isn't its own.
 * @throws ParallelRunError exit code 4 where the input differs and nothing was said about that
 */
export async function openPastInput(
  {
    plan,
    layout,
    columns,
  }: { readonly plan: Plan; readonly layout: RunLayout; readonly columns: readonly Column[] | undefined },
  recovery: Recovery,
  options: InputOptions,
  notes: Notes,
): Promise<PastInput> {
  const past = openPast(plan, layout, recovery, options);
  const gathered = gathering(plan.inputs, plan.cutting);
  try {
    if (past.stamps?.at(0)?.index !== 0 && past.kept > 0 && plan.inputs.length > 0 && !gathered) notes.tell(NO_STAMPS);
    else if (!past.inodes && past.stamps) notes.tell(COPIED);
    if (past.stamps && plan.inputs.some((input) => input.kind === 'table'))
      await ensureCopies(past.manifest, past.stamps, { below: past.kept, folder: layout.copies, inputs: plan.inputs });
    if (gathered) await checkGroups(plan, gathered, layout, columns, past, options);
    const skipped: OpenedInput['skipped'] = new Notes();
    if (options.strict === true) {
      const found = await lookedAt(past);
      if (found && found.miniBatches > 0) throw refused([doneInputChanged(plan, found)]);
    }
    const listing = { ...options, exclude: await notInput(plan), columns };
    const drafts = listAgain(plan, past, listing, skipped, notes)[Symbol.asyncIterator]();
    const first = await lookAhead(plan, past, options, drafts);
    const input = { drafts: from(first, drafts), skipped, ...(columns && { columns }) };
    const { kept, items, close } = past;
    const check = inputCheck(past, options, notes);
    // Where the ledger was cut short of it, the run says so itself: `creation-finished` has the counts people see.
    const finished = first?.done === true && past.listing === 'complete';
    return { kept, items, finished, input, check, close };
  } catch (error) {
    past.close();
    throw error;
  }
}

/** @throws ParallelRunError exit code 4 */
async function checkGroups(
  plan: Plan,
  cutting: GroupCutting,
  { copies, groupedFiles }: RunLayout,
  columns: readonly Column[] | undefined,
  { manifest, kept: count }: OpenPast,
  { rescan, acceptChangedInput }: InputOptions,
): Promise<void> {
  if (rescan === true) throw refused([noRescan(plan)]);
  await ensureGroups(plan.inputs, cutting, {
    copies,
    groupedFiles,
    ...groupingMemory(process.env),
    ...(columns && { columns }),
    manifest,
    count,
    acceptChanged: acceptChangedInput === true,
    exclude: await notInput(plan),
  }).catch((error: unknown) => {
    if (error instanceof ListingDiffers) throw refused([inputDiffers(plan, error.difference)]);
    throw error instanceof DatasetError ? refused([error.problem]) : error;
  });
}

const NO_STAMPS =
  'the run was started by a version that did not record what its input files looked like: whether they have changed is not known';

const COPIED =
  'the files of the input have other inode numbers than when they were listed, and the same sizes and times: they were copied or restored, and only sizes and times are compared';

interface OpenPast {
  readonly manifest: ReturnType<typeof openManifest>;
  readonly stamps: Stamps | undefined;
  readonly kept: number;
  readonly items: number;
  readonly listing: 'complete' | 'interrupted';
  readonly rescan: boolean;
  /** Whether inode numbers say anything about the input. */
  readonly inodes: boolean;
  readonly isDone: (index: number) => boolean;
  readonly close: () => void;
}

function openPast(plan: Plan, layout: RunLayout, recovery: Recovery, options: InputOptions): OpenPast {
  const { creationFinished, listed, reservedBelow } = recovery;
  const kept = creationFinished ? Math.max(listed, reservedBelow) : reservedBelow;
  const manifest = openManifest({ manifest: layout.manifest, index: layout.manifestIndex });
  const stamps = Stamps.open(layout.manifestStamps);
  return {
    manifest,
    stamps,
    kept,
    // Counted by whoever listed them; counting a million again takes a while.
    items: kept === recovery.created ? recovery.items : manifest.itemsBefore(kept),
    listing: creationFinished && kept === listed ? 'complete' : 'interrupted',
    // What a rescan has begun, it ends.
    rescan: options.rescan === true || (creationFinished && kept > listed),
    inodes: stamps !== undefined && !isCopied(manifest, stamps, kept),
    isDone: (index) => recovery.hasResults(index),
    close: () => {
      manifest.close();
      stamps?.close();
    },
  };
}

/** The mini-batches that follow those of the manifest. Yields nothing now and then, so that others get their turn. */
async function* listAgain(
  plan: Plan,
  past: OpenPast,
  options: InputOptions & { readonly exclude: readonly string[]; readonly columns: readonly Column[] | undefined },
  skipped: OpenedInput['skipped'],
  notes: Notes,
): AsyncGenerator<readonly Draft[], void, undefined> {
  const { manifest, kept: count, listing, rescan, stamps } = past;
  yield* relist(plan.inputs, plan.cutting, {
    manifest,
    count,
    listing,
    rescan,
    stamps,
    acceptChanged: options.acceptChangedInput === true,
    inodes: past.inodes,
    exclude: options.exclude,
    copies: runLayout(plan.runFolder).copies,
    groupedFiles: runLayout(plan.runFolder).groupedFiles,
    ...groupingMemory(process.env),
    columns: options.columns,
    // Of a complete listing it was told when that was made.
    ...(listing === 'interrupted' && {
      onSkip: (path: string, reason: string, rows?: number) => {
        skipped.tell({ path, reason, ...(rows !== undefined && { rows }) });
      },
    }),
    onDifference: (difference) => notes.tell(rescanNote(difference)),
  });
  if (options.strict === true) return;
  const looking = lookingAt(past, true);
  for (let step = await looking?.next(); step; step = await looking?.next()) {
    if (step.done !== true) {
      yield [];
      continue;
    }
    if (step.value.miniBatches > 0) notes.tell(doneInputChangedNote(step.value));
    return;
  }
}

function lookingAt({ manifest, stamps, kept: count, isDone, inodes }: OpenPast, beside: boolean) {
  return stamps && changedSince({ manifest, stamps, count, isDone, inodes, beside });
}

async function lookedAt(past: OpenPast): Promise<ChangedSince | undefined> {
  const looking = lookingAt(past, false);
  for (let step = await looking?.next(); step; step = await looking?.next()) if (step.done === true) return step.value;
  return undefined;
}

type Step = IteratorResult<readonly Draft[], void>;

/** @returns what came of the listing where it had an end, or something new, within the time; undefined else */
async function lookAhead(
  plan: Plan,
  past: OpenPast,
  { strict = false }: InputOptions,
  drafts: AsyncIterator<readonly Draft[], void>,
): Promise<Step | undefined> {
  if (!strict && (past.kept > SMALL_FILES || past.items > SMALL_FILES)) return undefined;
  const until = performance.now() + SMALL_MS;
  try {
    while (strict || performance.now() < until) {
      const step = await drafts.next();
      if (step.done === true || step.value.length > 0) return step;
    }
    return undefined;
  } catch (error) {
    if (error instanceof ListingDiffers) throw refused([inputDiffers(plan, error.difference)]);
    throw error instanceof DatasetError ? refused([error.problem]) : error;
  }
}

async function* from(
  first: Step | undefined,
  rest: AsyncIterator<readonly Draft[], void>,
): AsyncGenerator<readonly Draft[]> {
  try {
    for (let step = first ?? (await rest.next()); step.done !== true; step = await rest.next()) yield step.value;
  } finally {
    await rest.return?.();
  }
}

function rescanNote({ added, removed }: ListingDifference): string {
  const parts = [
    added.count > 0
      ? `${counted(added.count, 'file')} more than before (${someFiles(added)}), in mini-batches behind all others`
      : 'no new file',
    removed.count > 0
      ? `${counted(removed.count, 'file')} less (${someFiles(removed)}): what is done keeps its rows, what isn't fails`
      : 'none is gone',
  ];
  return `the input was listed again: ${parts.join('; ')}`;
}

function inputCheck(past: OpenPast, { acceptChangedInput = false }: InputOptions, notes: Notes): PastInput['check'] {
  let accepted = 0;
  const check = new InputCheck(past.stamps, {
    below: past.kept,
    accept: acceptChangedInput,
    inodes: past.inodes,
    onAccepted: (index, path) => {
      accepted += 1;
      if (accepted <= ACCEPTED_SHOWN)
        notes.tell(`mini-batch ${index} takes ${path} as it is now: it has changed since it was listed`);
      if (accepted === ACCEPTED_SHOWN) notes.tell('further changed files are not listed here');
    },
  });
  return (index, source) => check.changeOf(index, source);
}

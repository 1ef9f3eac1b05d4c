/** An input that is listed again when its run goes on: is it the one that the run began with, and what is new in it? */
import type { Cutting, InputSpec } from '../domain/plan.ts';
import { bytesOf } from './bytepath.ts';
import { createMiniBatches } from './create.ts';
import type { CreationOptions } from './create.ts';
import type { MiniBatchDraft } from './draft.ts';
import { hasItems } from './empty.ts';
import { gathering } from './group/groups.ts';
import { regroup } from './group/regroup.ts';
import { FileCount, KnownFiles, ListingDiffers } from './known.ts';
import type { ListingDifference } from './known.ts';
import type { ManifestReader } from './manifestreader.ts';
import { differs, keepsInodes, stampOf } from './stamp.ts';
import type { Stamps } from './stamps.ts';
import { joinText } from './bytepath.ts';
import { walk } from './walk.ts';

export interface RelistOptions extends Pick<
  CreationOptions,
  'exclude' | 'onSkip' | 'copies' | 'columns' | 'groupedFiles' | 'memoryBytes'
> {
  readonly manifest: ManifestReader;
  /** Mini-batches of the manifest. */
  readonly count: number;
  /** How the listing behind them ended: it was complete, or the run was ended while it went on. */
  readonly listing: 'complete' | 'interrupted';
  /** Files that are not in the manifest become mini-batches wherever they stand; missing ones are no reason to stop. */
  readonly rescan: boolean;
  /** What the files looked like; a table that is half listed must not have changed, unless that is accepted. */
  readonly stamps: Stamps | undefined;
  readonly acceptChanged: boolean;
  /** Whether inode numbers say anything. */
  readonly inodes: boolean;
  /** Called at the end of a rescan. */
  readonly onDifference?: (difference: ListingDifference) => void;
}

/**
 * Lists the input again. Gives the mini-batches that follow those of the manifest: after a complete listing none,
 * unless it is a rescan. Chunks may be empty: they are there so that others get their turn.
 * @throws ListingDiffers (on iteration) where files were added or removed and this is no rescan; DatasetError
 */
export async function* relist(
  inputs: readonly InputSpec[],
  cutting: Cutting,
  options: RelistOptions,
): AsyncGenerator<readonly MiniBatchDraft[], void, undefined> {
  if (cutting.by === 'rank') return yield* ranksFrom(inputs, cutting, options);
  const gathered = gathering(inputs, cutting);
  if (gathered) {
    const { copies = '', groupedFiles = '', listing } = options;
    return yield* regroup(inputs, gathered, listing === 'complete', { ...options, stamps: true, copies, groupedFiles });
  }
  const known = new KnownFiles({
    manifest: options.manifest,
    count: options.count,
    interrupted: options.listing === 'interrupted',
    hasItems,
  });
  try {
    if (!options.acceptChanged) checkTail(known, options);
    const added = new FileCount();
    if (options.listing === 'complete' && !options.rescan) yield* compare(inputs, known, added, options);
    else yield* goOn(inputs, cutting, known, added, options);
    // A list may name the same files in another order: what follows then isn't what is left.
    const shuffled = options.listing === 'interrupted' && !known.inOrder;
    const removed = await known.missing();
    if (options.rescan) options.onDifference?.({ added, removed });
    else if (added.count > 0 || removed.count > 0 || shuffled) throw new ListingDiffers({ added, removed });
  } finally {
    await known.close();
  }
}

/** @throws DatasetError PR5007 */
function checkTail({ tail }: KnownFiles, { stamps, count, inodes }: RelistOptions): void {
  if (!tail) return;
  const was = stamps?.covering(count - 1)?.stamp;
  const is = stampOf(bytesOf(tail.file));
  if (was && is !== 'gone' && differs(was, is, inodes && keepsInodes(bytesOf(tail.file)))) throw tail.changed();
}

/** Only looks. */
async function* compare(
  inputs: readonly InputSpec[],
  known: KnownFiles,
  added: FileCount,
  { exclude }: RelistOptions,
): AsyncGenerator<readonly MiniBatchDraft[], void, undefined> {
  for (const input of inputs) {
    for await (const listed of walk(input, { exclude })) {
      for (const file of await known.unknown(input, listed)) {
        const path = joinText(input.root, file);
        if (await hasItems(input, path)) added.note(path);
      }
      yield [];
    }
  }
}

/** Gives what is new. Without a rescan that must stand behind all that is known. */
async function* goOn(
  inputs: readonly InputSpec[],
  cutting: Cutting,
  known: KnownFiles,
  added: FileCount,
  { exclude, onSkip, rescan, copies, columns }: RelistOptions,
): AsyncGenerator<readonly MiniBatchDraft[], void, undefined> {
  const creation: CreationOptions = {
    exclude,
    stamps: true,
    known,
    columns,
    ...(onSkip && { onSkip }),
    ...(copies !== undefined && { copies }),
  };
  for await (const drafts of createMiniBatches(inputs, cutting, creation)) {
    if (rescan) for (const draft of drafts) noteFiles(draft, added);
    yield rescan || known.inOrder ? drafts : [];
  }
  if (!rescan) added.take(known.inserted);
}

async function* ranksFrom(
  inputs: readonly InputSpec[],
  cutting: Cutting,
  { exclude, count, listing }: RelistOptions,
): AsyncGenerator<readonly MiniBatchDraft[], void, undefined> {
  if (listing === 'complete') return;
  let index = 0;
  for await (const drafts of createMiniBatches(inputs, cutting, { exclude })) {
    yield drafts.slice(Math.max(0, count - index));
    index += drafts.length;
  }
}

function noteFiles({ source }: MiniBatchDraft, into: FileCount): void {
  if (source.kind === 'files') for (const file of source.files) into.note(joinText(source.root, file));
  else if (source.kind === 'rows' && source.firstRow === 0) into.note(source.file);
}

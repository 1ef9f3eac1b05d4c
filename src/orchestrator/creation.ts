import type { CoreEvent } from '../core/types.ts';
import type { RunEvent } from '../domain/event.ts';
import type { OrchestratorParts } from './ports.ts';

/** At most one creation-progress event in so long, unless there are twice as many. */
const CREATION_PROGRESS_MS = 1_000;

export interface CreationHooks {
  /** In the manifest already, of a run that is resumed. */
  readonly created: number;
  readonly items: number;
  readonly finished: boolean;
  readonly feed: (event: CoreEvent) => void;
  readonly note: (event: RunEvent) => void;
  /** False once the run is stopping: what is left of the input is of no use. */
  readonly wanted: () => boolean;
  /** Waits while the disk is full. */
  readonly patiently: (work: () => Promise<void>) => Promise<void>;
}

/**
 * Takes mini-batches from the dataset into the manifest, as fast as they come, while workers already run the first
 * ones. Never rejects: an input that can't be listed to its end is an event.
 */
export async function createMiniBatches(
  parts: Pick<OrchestratorParts, 'drafts' | 'manifest' | 'clock' | 'creationFailure'>,
  hooks: CreationHooks,
): Promise<void> {
  const { drafts, manifest, clock } = parts;
  let { created: miniBatches, items } = hooks;
  // Of a run that is resumed after its input was listed to the end, nothing is left to create.
  if (hooks.finished) return;
  let shownAt = -Infinity;
  let shown = 0;
  const show = (): void => {
    [shown, shownAt] = [miniBatches, clock.monotonic()];
    hooks.note({ type: 'creation-progress', at: clock.now(), miniBatches, items });
  };
  try {
    for await (const chunk of drafts) {
      if (!hooks.wanted()) break;
      manifest.append(chunk);
      await hooks.patiently(() => manifest.flush(false));
      const chunkItems = chunk.reduce((sum, draft) => sum + draft.items, 0);
      miniBatches += chunk.length;
      items += chunkItems;
      hooks.feed({ type: 'created', count: chunk.length, items: chunkItems });
      if (miniBatches >= 2 * shown || clock.monotonic() - shownAt >= CREATION_PROGRESS_MS) show();
    }
    await hooks.patiently(() => manifest.flush(true));
  } catch (error) {
    show();
    hooks.feed({ type: 'creation-failed', reason: parts.creationFailure(error) });
    return;
  }
  if (!hooks.wanted()) {
    show();
    return;
  }
  hooks.note({ type: 'creation-finished', at: clock.now(), miniBatches, items });
  hooks.feed({ type: 'creation-finished' });
}

/** What the ledger of a run says of its past: one pass over it, for the core and for all that shows the run. */
import { Recovery } from '../core/recover.ts';
import type { EnvironmentReady } from '../domain/event.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Column, Plan } from '../domain/plan.ts';
import { LedgerFormatError, LedgerReader } from '../ledger/index.ts';
import { damaged, notBegun } from './damage.ts';
import type { Faces } from './faces.ts';

export interface Past {
  readonly recovery: Recovery;
  readonly lastFrameAt: number;
  readonly wholeBytes: number;
  /** Of table inputs. */
  readonly columns: readonly Column[] | undefined;
  /** The interpreter that ran last. */
  readonly interpreter: EnvironmentReady | undefined;
}

/** @throws ParallelRunError PR5005, PR5008, exit code 4 */
export async function readPast(plan: Plan, layout: RunLayout, faces: Pick<Faces, 'prime'>): Promise<Past> {
  const recovery = new Recovery();
  let columns: readonly Column[] | undefined;
  let interpreter: EnvironmentReady | undefined;
  // Nothing keeps an event that says no more than that a mini-batch is done: millions of them leave no garbage.
  const reader = await LedgerReader.open(layout.ledger, { reuse: true }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw notBegun(plan);
    throw error instanceof LedgerFormatError ? damaged(layout.ledger, error.message) : error;
  });
  try {
    for (let events = await reader.read(); events.length > 0; events = await reader.read()) {
      faces.prime(events);
      for (const event of events) {
        recovery.apply(event);
        if (event.type === 'schema-decided') columns = event.columns as readonly Column[];
        if (event.type === 'environment-ready') interpreter = event;
      }
    }
    if ((await reader.tail()) === 'damaged') {
      throw damaged(
        layout.ledger,
        `the frame at byte ${reader.wholeBytes} is not what was written, and others follow it`,
      );
    }
    // The first frame is written when all else of the folder is there.
    if (recovery.fingerprint === undefined) throw notBegun(plan);
    return { recovery, lastFrameAt: reader.lastFrameAt, wholeBytes: reader.wholeBytes, columns, interpreter };
  } catch (error) {
    throw error instanceof LedgerFormatError ? damaged(layout.ledger, error.message) : error;
  } finally {
    await reader.close();
  }
}

import { lstat, readdir, rm } from 'node:fs/promises';
import { listRuns } from './stored.ts';

const UNBEGUN_MS = 60_000;

export interface PruneOptions {
  /** So many of the newest ended runs stay. */
  readonly keep?: number;
  /** Only runs that ended longer ago than this go. */
  readonly olderThanMs?: number;
  readonly dryRun: boolean;
}

export interface PrunedRun {
  readonly runId: string;
  readonly folder: string;
  readonly bytes: number;
  readonly why: string;
}

/**
 * Removes folders of ended runs. Never a live run, never what can't be read as a run, and nothing at all unless one
 * of the two rules is given. Results that lie outside the run folder stay.
 */
export async function pruneRuns(root: string, options: PruneOptions): Promise<PrunedRun[]> {
  const { keep, olderThanMs } = options;
  const pruned: PrunedRun[] = [];
  if (keep === undefined && olderThanMs === undefined) return pruned;
  const ended = (await listRuns(root)).filter((run) => !run.live && run.problem === undefined);
  for (const [position, run] of ended.entries()) {
    const since = run.startedAt ?? (await lstat(run.folder)).mtimeMs;
    const ageMs = Date.now() - (since + run.elapsedSeconds * 1000);
    // A folder without a run yet may be filled by another process just now.
    if (run.startedAt === undefined && ageMs < UNBEGUN_MS) continue;
    // What was interrupted can be resumed: only its age takes it away.
    const hasEnded = run.state === 'Completed' || run.state === 'Failed' || run.state === 'Canceled';
    if (keep !== undefined && ((run.startedAt !== undefined && !hasEnded) || position < keep)) continue;
    if (olderThanMs !== undefined && ageMs <= olderThanMs) continue;
    const why =
      keep !== undefined ? `not among the ${keep} newest` : `ended ${Math.floor(ageMs / 86_400_000)} days ago`;
    pruned.push({ runId: run.runId, folder: run.folder, bytes: await bytesBelow(Buffer.from(run.folder)), why });
    if (!options.dryRun) await rm(run.folder, { recursive: true, force: true });
  }
  return pruned;
}

/** Names are bytes: not each is UTF-8. What is gone meanwhile takes no room. */
async function bytesBelow(folder: Buffer): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { encoding: 'buffer' })) {
    const path = Buffer.concat([folder, Buffer.from('/'), name]);
    const found = await lstat(path).catch(() => undefined);
    bytes += found?.isDirectory() === true ? await bytesBelow(path) : (found?.size ?? 0);
  }
  return bytes;
}

/** `--copy_logs_to_parent`: the logs of a step as a folder among those of its pipeline. */
import { constants } from 'node:fs';
import { copyFile, cp, lstat, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { runLayout } from '../domain/layout.ts';

/** Replaces what an earlier end of the step left there. A copy of its own: a step's folder may be moved or removed. */
export async function copyLogs(stepFolder: string, pipelineFolder: string, step: string): Promise<void> {
  const { logs, driverLog } = runLayout(stepFolder);
  const target = `${runLayout(pipelineFolder).logs}/${step}`;
  const there = await lstat(target).catch(() => undefined);
  if (there !== undefined && !there.isDirectory()) throw new Error(`${target} is a file`);
  const fresh = `${target}.new`;
  await rm(fresh, { recursive: true, force: true });
  await cp(logs, fresh, { recursive: true, mode: constants.COPYFILE_FICLONE });
  await copyFile(driverLog, `${fresh}/${basename(driverLog)}`, constants.COPYFILE_FICLONE).catch(ifMissing);
  await rm(target, { recursive: true, force: true });
  await rename(fresh, target);
}

/** A script that prints nothing has no such log. */
function ifMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
}

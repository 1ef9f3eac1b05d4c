/** Reads what scripts recorded, file by file: a run may have recorded more than memory holds, its fold is small. */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import { RecordsFold } from '../views/records.ts';
import type { AllRecords } from '../views/records.ts';

export async function readRecords({ runId, rootRunId }: Plan, layout: RunLayout): Promise<AllRecords> {
  const fold = new RecordsFold(runId, rootRunId ?? runId);
  for (const node of await namesIn(layout.records)) {
    const folder = `${layout.records}/${node}`;
    for (const name of await namesIn(folder)) {
      if (!name.endsWith('.jsonl')) continue;
      const lines = createInterface({ input: createReadStream(`${folder}/${name}`, 'utf8') });
      for await (const line of lines) fold.line(line);
    }
  }
  return fold.records();
}

/** In one order everywhere; nothing where no script recorded anything. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

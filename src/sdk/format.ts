/** The format of a run folder: which ones this version reads, and what becomes of older ones. */
import { open } from 'node:fs/promises';
import { runLayout } from '../domain/layout.ts';
import { RUN_FORMAT } from '../domain/plan.ts';
import type { CsvDialect, InputSpec, Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { packageVersion } from './package.ts';

/** Older than this: there never was one. */
const OLDEST_FORMAT = 1;
/** The first frame of the ledger, which names the version, lies in front of this. */
const LEDGER_FRONT_BYTES = 4096;

/** @throws ParallelRunError PR5012, exit code 4, where the folder is of a format that this version can't read */
export async function checkFormat(folder: string, plan: { readonly formatVersion?: unknown }): Promise<void> {
  const { formatVersion: found } = plan;
  const isNumber = typeof found === 'number' && Number.isInteger(found);
  if (isNumber && found >= OLDEST_FORMAT && found <= RUN_FORMAT) return;
  const maker = await makerOf(folder);
  const by = maker === undefined ? 'the version that started it' : `parallelrun ${maker}, which started it,`;
  const newer = isNumber && found > RUN_FORMAT;
  throw new ParallelRunError(
    [
      {
        code: 'PR5012',
        severity: 'error',
        what: `the run folder is of a format that this version cannot read`,
        where: { file: runLayout(folder).plan, keyPath: 'formatVersion' },
        why: `its format is ${found === undefined ? 'not given' : JSON.stringify(found)}; parallelrun ${packageVersion()} reads ${OLDEST_FORMAT} to ${RUN_FORMAT}`,
        next: newer
          ? `use ${by} or a newer one; nothing was changed`
          : `use ${by} or run the job again under another name; nothing was changed`,
      },
    ],
    4,
  );
}

/** A plan of an older format, as this version has it. Reading alone needs no upgrade; going on with a run does. */
export function upgraded(plan: Plan): Plan {
  if (plan.formatVersion === RUN_FORMAT) return plan;
  // Format 1 knew no narrowing down: such a run ends as it began.
  return { ...plan, formatVersion: RUN_FORMAT, isolate: plan.isolate ?? 'off' };
}

/** A stored plan in the words of this version; `formatVersion` still says what the folder is. */
export function inPresentWords(stored: unknown): Plan {
  const plan = stored as Plan;
  return { ...plan, inputs: plan.inputs.map(withFormat) };
}

/** Up to format 2 each table was CSV. */
function withFormat(stored: InputSpec): InputSpec {
  const { csv, ...input } = stored as InputSpec & { readonly csv?: CsvDialect };
  return csv ? ({ ...input, table: { format: 'csv', ...csv } } as InputSpec) : stored;
}

async function makerOf(folder: string): Promise<string | undefined> {
  try {
    const file = await open(runLayout(folder).ledger, 'r');
    try {
      const front = Buffer.alloc(LEDGER_FRONT_BYTES);
      const { bytesRead } = await file.read(front, 0, front.length, 0);
      return /"version":"([\w.+-]{1,40})"/.exec(front.toString('latin1', 0, bytesRead))?.[1];
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

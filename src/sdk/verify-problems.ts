/** What `verify` tells of each difference it can find. */
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import type { Problem, ProblemCode } from '../domain/problem.ts';
import type { Contradiction, ExpectedExtent } from '../views/completeness.ts';

interface Counts {
  readonly miniBatches: number;
  readonly items: number;
}

const AGAIN = 'run the job again under another name';

function difference(code: ProblemCode, file: string, what: string, why: string, next = AGAIN): Problem {
  return { code, severity: 'error', what, where: { file }, why, next };
}

const rowsText = ({ firstRow, rows }: ExpectedExtent): string =>
  rows === 1 ? `row ${firstRow}` : `rows ${firstRow} to ${firstRow + rows - 1}`;

const bytesText = ({ at, bytes }: ExpectedExtent): string => `bytes ${at} to ${at + bytes - 1}`;

export function live(plan: Plan, pid: number): Problem {
  return {
    code: 'PR5004',
    severity: 'error',
    what: `run ${plan.runId} is being worked on by process ${pid}`,
    where: { file: plan.runFolder },
    why: 'what it has committed changes while it is looked at',
    next: `verify it when it has ended; parallelrun status ${plan.runId} shows how far it is`,
  };
}

export function resultGone(plan: Plan, path: string): Problem {
  const next = `if it was moved, put it back and verify again; else ${AGAIN}`;
  return difference(
    'PR5501',
    path,
    `the result of run ${plan.runId} is not there`,
    'it was assembled, and removed since',
    next,
  );
}

/** @param movedFrom the first rows that lie elsewhere because of it; undefined where it is behind all rows */
export function resultSize(
  path: string,
  found: number,
  wanted: number,
  movedFrom: ExpectedExtent | 'unknown' | undefined,
): Problem {
  const change = found < wanted ? `${wanted - found} bytes are missing` : `${found - wanted} bytes are too many`;
  const place =
    movedFrom === 'unknown'
      ? ''
      : movedFrom
        ? `in front of ${rowsText(movedFrom)}, mini-batch ${movedFrom.index}, which should begin at byte ${movedFrom.at} and begins at ${movedFrom.at + found - wanted}`
        : 'at its end';
  return difference('PR5502', path, `the result has ${found} bytes, not ${wanted}`, `${change} ${place}`);
}

/** @param exact the byte at which it departs from what was committed, where that could be found out */
export function rowsBad(path: string, extent: ExpectedExtent, exact: number | undefined): Problem {
  const place = exact === undefined ? '' : `; byte ${exact} is the first that differs`;
  return difference(
    'PR5503',
    path,
    `${rowsText(extent)} of the result, those of mini-batch ${extent.index}, are not what was committed`,
    `${bytesText(extent)} of the file have another checksum than the ledger${place}`,
  );
}

export function more(path: string, count: number): Problem {
  return difference(
    'PR5503',
    path,
    `${count} more mini-batches have other rows than were committed`,
    'the first 100 are named',
  );
}

export function headerBad(path: string, bytes: number): Problem {
  return difference(
    'PR5503',
    path,
    'the header of the result is not what was written',
    `bytes 0 to ${bytes - 1} of the file`,
  );
}

/** @param found a text: why its end can't be read */
export function parquetRows(path: string, found: number | string, wanted: number): Problem {
  return typeof found === 'number'
    ? difference('PR5508', path, `the result has ${found} rows, not ${wanted}`, 'the end of the file says so')
    : difference('PR5508', path, 'the result is no whole Parquet file', `${wanted} rows were written; ${found}`);
}

export function parquetBytes(path: string): Problem {
  return difference(
    'PR5503',
    path,
    'the result is not what was written',
    'its size is right, and it has another checksum than the ledger',
  );
}

export function sums(
  assembled: { path: string; rows: number; bytes: number },
  sum: { rows: number; bytes: number },
): Problem {
  return difference(
    'PR5505',
    assembled.path,
    'the result was assembled of other rows than were committed',
    `${assembled.rows} rows and ${assembled.bytes} bytes, the ledger adds up to ${sum.rows} and ${sum.bytes}`,
  );
}

export function contradiction(file: string, { index, text }: Contradiction): Problem {
  const about = index === undefined ? '' : ` about mini-batch ${index}`;
  return difference('PR5505', file, `the ledger contradicts itself${about}`, text);
}

export function itemsDiffer(file: string, index: number, stored: number, handedOut: number): Problem {
  const why = `${stored} in the list of mini-batches, ${handedOut} in the ledger`;
  return difference('PR5504', file, `mini-batch ${index} has two numbers of items`, why);
}

export function lineDamaged(file: string, index: number): Problem {
  return difference('PR5504', file, `the line of mini-batch ${index} is not what was written`, 'it is no JSON');
}

export function manifestOverlaps(file: string, sum: number, end: number): Problem {
  return difference(
    'PR5504',
    file,
    'the list of mini-batches has gaps',
    `its lines have ${sum} bytes, they end at ${end}`,
  );
}

export function manifestCounts(file: string, here: Counts, wanted: Counts, complete: boolean): Problem {
  const why = complete
    ? `${here.miniBatches} mini-batches of ${here.items} items; ${wanted.miniBatches} of ${wanted.items} were created`
    : `${here.miniBatches} mini-batches; the ledger has ends of ${wanted.miniBatches}`;
  return difference('PR5504', file, 'the list of mini-batches is not that of the run', why);
}

export function manifestUnreadable(problem: Problem): Problem {
  return { ...problem, code: 'PR5504', next: AGAIN };
}

/** What is wrong with the file of dead letters; it can be made anew of the ledger. */
export function deadLetters({ plan, layout }: { plan: Plan; layout: RunLayout }, what: string, why: string): Problem {
  const next = `parallelrun resume ${plan.runId} makes the file anew of the ledger; nothing is run for it`;
  return difference('PR5507', layout.deadLetters, what, why, next);
}

export function spoolGone(file: string, plan: Plan): Problem {
  return difference(
    'PR5506',
    file,
    `the committed rows of run ${plan.runId} are gone`,
    'the spool is not there',
    'run the job again under another name',
  );
}

export function spoolShort(file: string, found: number, wanted: number): Problem {
  const why = `it has ${found} bytes, ${wanted} were committed`;
  return difference('PR5506', file, 'committed rows are missing', why, 'run the job again under another name');
}

export function spoolBad(file: string, extent: ExpectedExtent): Problem {
  return difference(
    'PR5506',
    file,
    `the committed rows of mini-batch ${extent.index} are not what was written`,
    `${bytesText(extent)} of the spool have another checksum than the ledger`,
    'run the job again under another name',
  );
}

/**
 * What a run of `fixtures/faulty.py` must come to, by a reference model that knows nothing of the product but its
 * contract: a mini-batch whose items are all good is done; one with culprits is narrowed down to them.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { itemName, processesOf, runCommand } from './rig.ts';
import type { Faulty, Workspace } from './rig.ts';
import type { RunStatus } from '../../src/views/status.ts';

const CHECKER = fileURLToPath(new URL('checker.py', import.meta.url));

/** What each fatal word comes to: code, kind of the failure, words that the cause has in every view. */
interface Fate {
  readonly code: string;
  readonly kind: string;
  readonly status: RegExp;
  readonly says: string;
}

const raised = (says: string): Fate => ({ code: 'PR2101', kind: 'exception', status: /^RUN_EXCEPTION$/, says });
const lost = (code: string, says: string): Fate => ({
  code,
  kind: 'worker-lost',
  status: /^(PROCESS_LOST|POISONED)$/,
  says,
});
const late: Fate = { code: 'PR2102', kind: 'timeout', status: /^RUN_TIMEOUT$/, says: 'longer than' };
const returned = (says: string): Fate => ({
  code: 'PR2104',
  kind: 'invalid-return',
  status: /^RUN_INVALID_RETURN$/,
  says: `returned ${says}`,
});

export const FATES: Readonly<Record<string, Fate>> = {
  raise: raised('ValueError: bad pixel in '),
  sysexit: raised('SystemExit'),
  interrupt: raised('KeyboardInterrupt'),
  stop: raised('Stop: none of the usual'),
  mute: raised('Mute'),
  huge: raised('ValueError: xxx'),
  chain: raised('ValueError: number 999'),
  cycle: raised('ValueError: cycle in '),
  group: raised('ExceptionGroup: group in '),
  memory: raised('MemoryError'),
  none: returned('None'),
  text: returned('str'),
  number: returned('int'),
  map: returned('dict'),
  unprintable: { code: 'PR2105', kind: 'unencodable-row', status: /^RUN_/, says: 'this row has no text' },
  exit: lost('PR2108', 'exited with code'),
  segv: lost('PR2103', 'SIGSEGV'),
  kill: lost('PR2103', 'SIG'),
  exhaust: lost('PR2109', 'memory'),
  exhaust_after: lost('PR2109', 'memory'),
  hang: late,
  spin: late,
  gil: late,
  deaf: late,
  endless: late,
  locked: { code: 'PR2106', kind: 'input-error', status: /^RUN_/, says: 'ermission denied' },
  bomb: late,
  swallow: { code: 'PR2106', kind: 'input-error', status: /^RUN_/, says: 'No such file' },
};

const wordOf = (order: string): string => order.split(' ')[0] ?? '';
export const isFatal = (order: string): boolean => wordOf(order) in FATES;

/** Rows of a good item. */
function rowsOf(order: string, i: number, tries: number): string[] {
  const [word, argument = ''] = order.split(' ');
  if (word === 'short') return [];
  if (word === 'rows') return Array.from({ length: Number(argument) }, (_, n) => `${itemName(i)}.${n}`);
  if (word === 'flaky') return [`${itemName(i)} try ${Math.min(Number(argument), tries)}`];
  if (word === 'pickle') return ['canary'];
  return [itemName(i)];
}

/** An item given up: mini-batch and position in it. */
interface Dead {
  readonly index: number;
  readonly position: number;
  readonly order: string;
}

interface Expected {
  readonly rows: readonly string[];
  readonly miniBatches: { readonly created: number; readonly succeeded: number; failed: number; partial: number };
  readonly items: { readonly succeeded: number; readonly failed: number; readonly deadLetters: number };
  readonly dead: readonly Dead[];
}

/** @param isolate whether mini-batches with culprits are narrowed down */
export function expected({ orders, size = 1, tries = 1 }: Faulty, isolate = true): Expected {
  const rows: string[] = [];
  const dead: Dead[] = [];
  const counts = { created: 0, succeeded: 0, failed: 0, partial: 0 };
  const items = { succeeded: 0, failed: 0 };
  for (let first = 0; first < orders.length; first += size) {
    const index = counts.created++;
    const own = orders.slice(first, first + size);
    const culprits = own.flatMap((order, position) => (isFatal(order) ? [{ index, position, order }] : []));
    const isPartial = culprits.length > 0 && culprits.length < own.length && isolate;
    if (culprits.length === 0) counts.succeeded += 1;
    else counts.failed += 1;
    if (isPartial) counts.partial += 1;
    if (culprits.length > 0 && (isolate || own.length === 1)) dead.push(...culprits);
    const good = culprits.length === 0 || isPartial;
    for (const [position, order] of own.entries()) {
      const has = good && !isFatal(order) ? rowsOf(order, first + position, tries) : [];
      rows.push(...has);
      if (has.length > 0) items.succeeded += 1;
      else items.failed += 1;
    }
  }
  return { rows, miniBatches: counts, items: { ...items, deadLetters: dead.length }, dead };
}

/** One line of `dead_letters.jsonl`. */
export interface Letter {
  readonly mini_batch: number;
  readonly position: number;
  readonly item: string | null;
  readonly cause: string;
  readonly code: string | null;
  readonly kind: string | null;
  readonly exception_type: string | null;
  readonly signal: string | null;
  readonly exit_code: number | null;
  readonly node: string;
  readonly process: string;
  readonly pid: number;
  readonly try: number;
  readonly peak_memory_bytes: number | null;
  readonly last_lines: readonly string[];
  readonly narrowed: boolean;
  readonly log: string;
  readonly replay: string;
}

/** By mini-batch and position; the file has them in the order in which their mini-batches ended. */
export function deadLetters(space: Workspace, name: string): Letter[] {
  const path = join(space.root, name, 'outputs/dead_letters.jsonl');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines
    .map((line) => JSON.parse(line) as Letter)
    .sort((a, b) => a.mini_batch - b.mini_batch || a.position - b.position);
}

/** Everything that holds for any run that came to its end: rows, counts, dead letters, ledger, processes. */
export async function checkRun(
  space: Workspace,
  run: Faulty,
  status: RunStatus,
  want: Expected = expected(run),
): Promise<void> {
  const { name } = run;
  const rows = space.write(`expected-${name}`, want.rows.map((row) => `${row}\n`).join(''));
  const result = join(space.root, name, 'outputs/parallel_run_step.txt');
  await checked(space, 'run', join(space.root, name), result, rows);
  expect(status).toMatchObject({ miniBatches: want.miniBatches, items: want.items });
  expect(deadLetters(space, name).map(({ mini_batch, position }) => [mini_batch, position])).toEqual(
    want.dead.map(({ index, position }) => [index, position]),
  );
  expect(processesOf(join(space.root, name))).toEqual([]);
}

/** The independent checker agrees. */
export async function checked(space: Workspace, ...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await runCommand('python3', [CHECKER, ...args], space.folder);
  expect(code, stdout + stderr).toBe(0);
  return JSON.parse(stdout);
}

interface GroupJson {
  readonly code: string;
  readonly kind: string;
  readonly title: string;
  readonly status: string;
  readonly open: string;
  readonly replay: string;
  readonly example: { readonly index: number; readonly item?: number; readonly worker: string; readonly try: number };
}

/** What `errors --json` says of a run. */
export async function errorsOf(space: Workspace, name: string): Promise<GroupJson[]> {
  const { stdout } = await space.cli('errors', name, '--json');
  const lines = stdout.split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as GroupJson);
}

/**
 * The cause of a failure in one place: class, mini-batch, node, worker and log file, in `overview.txt` and as JSON; and
 * the log file named there holds it.
 */
export function checkCause(
  space: Workspace,
  name: string,
  groups: readonly GroupJson[],
  order: string,
  where: { readonly index: number; readonly item?: number },
): void {
  const { code, kind, status, says } = FATES[wordOf(order)] ?? raised('?');
  const { index, item } = where;
  const group = groups.find(
    ({ code: its, example }) => its === code && example.index === index && example.item === item,
  );
  expect(group, JSON.stringify(groups, null, 1)).toMatchObject({ kind });
  expect(group?.status).toMatch(status);
  expect(group?.title).toContain(says);
  const [node = '', process = ''] = group?.example.worker.split('/') ?? [];
  const only = item === undefined ? '' : ` --item ${item}`;
  expect(group?.replay).toBe(`parallelrun replay ${name}/${index}${only}`);
  const log = `${join(space.root, name)}/logs/user/error/${node}/${process}.txt`;
  expect(group?.open).toBe(log);
  expect(readFileSync(log, 'utf8')).toContain(says);

  const overview = space.read(name, 'logs/overview.txt');
  const at = overview.indexOf(`error ${code}  ${group?.title ?? '?'}`);
  expect(at, `${code} ${group?.title} in\n${overview}`).toBeGreaterThan(0);
  const block = overview.slice(at).split('\n\n')[0] ?? '';
  expect(block).toMatch(new RegExp(`^ +where .*mini-batch ${index}${item === undefined ? '' : ` item ${item}`} `, 'm'));
  expect(block).toContain(`node ${node}  ${process} `);
  expect(block).toContain(`open   ${log}`);
  expect(block).toContain(`parallelrun replay ${name}/${index}${only}`);
}

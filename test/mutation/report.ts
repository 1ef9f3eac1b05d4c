/** What came of the hunt, as text. */
import type { Mutant } from './instrument.ts';

/** One line of survivors.json: changes that no test notices, and why that is no gap. */
export interface Survivor {
  /** Below src. */
  readonly file: string;
  /** The function it is in. */
  readonly where: string;
  /** The line of source, trimmed. */
  readonly line: string;
  /** As the command prints them. */
  readonly changes: readonly string[];
  /**
   * - `equivalent`: nothing that can be reached differs.
   * - `efficiency`: the same comes about with more or less work.
   * - `open`: something differs, and nobody says what is right; counts against the score.
   */
  readonly kind: 'equivalent' | 'efficiency' | 'open';
  readonly reason: string;
}

export interface Outcome {
  readonly mutants: readonly Mutant[];
  readonly refused: ReadonlySet<number>;
  /** Test or seed by number of the change. */
  readonly caughtBy: ReadonlyMap<number, string>;
}

export interface Verdict {
  readonly lines: readonly string[];
  /** Changes that survive and are not in the list. */
  readonly unlisted: readonly Mutant[];
  /** Of the core, without those that change nothing; percent. */
  readonly coreScore: number;
}

interface Row {
  changes: number;
  refused: number;
  tests: number;
  seeds: number;
  /** Listed: nothing differs. */
  same: number;
  /** Listed as open, or not listed. */
  alive: number;
}

const COLUMNS: readonly (keyof Row)[] = ['changes', 'refused', 'tests', 'seeds', 'same', 'alive'];

export function judge({ mutants, refused, caughtBy }: Outcome, list: readonly Survivor[]): Verdict {
  const rows = new Map<string, Row>();
  const listed = new Map<Survivor, Mutant[]>();
  const unlisted: Mutant[] = [];
  const used = new Set<string>();
  for (const mutant of mutants) {
    const row = rows.get(mutant.file) ?? { changes: 0, refused: 0, tests: 0, seeds: 0, same: 0, alive: 0 };
    rows.set(mutant.file, row);
    row.changes += 1;
    const by = caughtBy.get(mutant.id);
    if (refused.has(mutant.id)) row.refused += 1;
    else if (by !== undefined) row[by.startsWith('seed ') ? 'seeds' : 'tests'] += 1;
    else {
      const entry = list.find((each) => isOf(mutant, each));
      if (entry) {
        listed.set(entry, [...(listed.get(entry) ?? []), mutant]);
        used.add(`${list.indexOf(entry)} ${mutant.change}`);
      } else unlisted.push(mutant);
      row[entry && entry.kind !== 'open' ? 'same' : 'alive'] += 1;
    }
  }
  const core = [...rows].filter(([file]) => file.startsWith('src/core/')).map(([, row]) => row);
  const files = new Set(mutants.map((mutant) => mutant.file));
  const stale = list.flatMap((entry, i) =>
    files.has(`src/${entry.file}.ts`)
      ? entry.changes.filter((change) => !used.has(`${i} ${change}`)).map((change) => ({ entry, change }))
      : [],
  );
  return {
    lines: [
      ...table(rows, core),
      '',
      ...(listed.size > 0 ? ['Listed, and why:', ...[...listed].flatMap(explained), ''] : []),
      ...stale.map(({ entry, change }) => `listed and no longer alive: ${entry.file} ${entry.where} | ${change}`),
      ...unlisted.map(described),
    ],
    unlisted,
    coreScore: score(core),
  };
}

const isOf = (mutant: Mutant, { file, where, line, changes }: Survivor): boolean =>
  mutant.file === `src/${file}.ts` && mutant.where === where && mutant.line === line && changes.includes(mutant.change);

const sum = (rows: readonly Row[], key: keyof Row): number => rows.reduce((all, row) => all + row[key], 0);

function score(rows: readonly Row[]): number {
  const caught = sum(rows, 'tests') + sum(rows, 'seeds');
  const all = caught + sum(rows, 'alive');
  return all === 0 ? 100 : (100 * caught) / all;
}

function table(rows: ReadonlyMap<string, Row>, core: readonly Row[]): string[] {
  const line = (name: string, of: readonly Row[]): string => {
    const counts = COLUMNS.map((key) => String(sum(of, key)).padStart(8));
    return `${name.padEnd(32)}${counts.join('')}${score(of).toFixed(1).padStart(8)} %`;
  };
  return [
    `${'file'.padEnd(32)}${COLUMNS.map((key) => key.padStart(8)).join('')}${'score'.padStart(8)}`,
    ...[...rows].map(([file, row]) => line(file, [row])),
    line('all of the core', core),
    line('all', [...rows.values()]),
    'refused: by the compiler. tests, seeds: caught by. same: listed, nothing differs. score: of those that differ.',
  ];
}

function explained([{ file, where, kind, reason }, mutants]: readonly [Survivor, readonly Mutant[]]): string[] {
  const changes = mutants.map(({ lineNumber, change }) => `      ${lineNumber}: ${change}`);
  return [`  ${file} ${where}: ${kind}: ${reason}`, ...changes];
}

const described = ({ file, lineNumber, where, line, change }: Mutant): string =>
  `NOT CAUGHT  ${file}:${lineNumber} ${where} | ${line} | ${change}`;

/** What is changed: the core, and of the orchestrator what decides what is stored. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { mutantsOf } from './instrument.ts';
import type { Mutant } from './instrument.ts';

const COMMITTER = ['committer', 'outcome', 'patience', 'settlement'].map((name) => `src/orchestrator/${name}.ts`);

/** Relative to the repository. */
export function mutatedFiles(root: string): readonly string[] {
  const core = readdirSync(join(root, 'src/core')).filter((name) => name.endsWith('.ts'));
  return [...core.sort().map((name) => `src/core/${name}`), ...COMMITTER];
}

/** All changes of all files, numbered from 1. */
export function allMutants(root: string): readonly Mutant[] {
  const mutants: Mutant[] = [];
  for (const file of mutatedFiles(root))
    mutants.push(...mutantsOf(file, readFileSync(join(root, file), 'utf8'), mutants.length + 1));
  return mutants;
}

/** Number of the first change of each file. */
export function firstIds(root: string): ReadonlyMap<string, number> {
  const first = new Map<string, number>();
  for (const { file, id } of allMutants(root)) if (!first.has(file)) first.set(file, id);
  return first;
}

/** The simulator itself: it finds nothing in the code as it is, is the same each time, and bites. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleSimulator } from './bundle.ts';
import { KEPT } from './cli.ts';
import type { KeptSeed } from './cli.ts';
import { SOMETIMES } from './counters.ts';
import type * as Main from './main.ts';
import { MUTANTS } from './mutants.ts';
import { Rng } from './rng.ts';
import { SimFile } from './disk.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const SEEDS = 2_000;
let folder = '';
let simulator: typeof Main;

async function load(name: string, mutant?: (typeof MUTANTS)[number]): Promise<typeof Main> {
  const file = join(folder, `${name}.mjs`);
  await bundleSimulator(root, file, mutant);
  return (await import(pathToFileURL(file).href)) as typeof Main;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parallelrun-sim-'));
  simulator = await load('plain');
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe('the core under simulated faults', () => {
  test(`${SEEDS} seeds break no rule and reach every rare state`, () => {
    const { failures, seen, seeds } = simulator.runSeeds(1, SEEDS);
    expect(failures).toEqual([]);
    expect(seeds).toBe(SEEDS);
    expect(SOMETIMES.filter((name) => (seen[name] ?? 0) === 0)).toEqual([]);
  });

  const kept = JSON.parse(readFileSync(join(root, KEPT), 'utf8')) as KeptSeed[];
  test.each(kept)('seed $seed, kept for: $rule ($mutant)', async ({ seed, rule, mutant }) => {
    expect(simulator.runSeed(seed).message).toBeUndefined();
    if (mutant === undefined) return;
    const broken = await load(
      `kept-${seed}`,
      MUTANTS.find(({ name }) => name === mutant),
    );
    expect(broken.runSeed(seed).rule).toBe(rule);
  });

  test('the same seed twice has the same trace, another one another', () => {
    const hashes = Array.from({ length: 100 }, (_, i) => simulator.runSeed(i + 1).hash);
    expect(Array.from({ length: 100 }, (_, i) => simulator.runSeed(i + 1).hash)).toEqual(hashes);
    expect(new Set(hashes).size).toBe(100);
  });

  test('a traced run is the run that is traced', () => {
    const plain = simulator.runSeed(7);
    const traced = simulator.runSeed(7, { traced: true });
    expect(traced.hash).toBe(plain.hash);
    expect(traced.lines?.length).toBeGreaterThan(1);
  });

  test('jumps of the wall clock change no decision', () => {
    const hashes = (steadyClock: boolean) =>
      Array.from({ length: 100 }, (_, i) => simulator.runSeed(i + 1, { steadyClock }).hash);
    expect(hashes(true)).toEqual(hashes(false));
  });
});

describe('seeded bugs', () => {
  test('names and snippets are each there once', () => {
    expect(new Set(MUTANTS.map((m) => m.name)).size).toBe(MUTANTS.length);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(25);
  });

  const some = [
    'no sync of the spool before the ledger',
    'no fence of dispatch numbers',
    'in doubt is lost at recovery',
    'a return uses up a try',
    'greater or equal (items)',
    'redispatch records are not read',
    'a retry is never due',
  ];
  test.each(some)('%s: is caught', async (name) => {
    const mutant = MUTANTS.find((m) => m.name === name);
    expect(mutant).toBeDefined();
    const { runSeeds } = await load(`mutant-${some.indexOf(name)}`, mutant);
    expect(runSeeds(1, SEEDS, true).failures).toHaveLength(1);
  });

  test('a snippet that is no longer there is an error', async () => {
    const gone = { name: 'gone', rule: '', file: 'src/core/step.ts', from: 'no such text', to: '' };
    await expect(bundleSimulator(root, join(folder, 'gone.mjs'), gone)).rejects.toThrow('gone: its snippet is not in');
  });
});

describe('the simulated disk', () => {
  const bytes = (text: string) => Buffer.from(text);
  const text = (file: SimFile) => file.cache.bytes.toString('latin1', 0, file.cache.size);

  test('a kill keeps what was written, a power loss what was synced and a prefix of the rest', () => {
    for (let seed = 0; seed < 200; seed++) {
      const file = new SimFile();
      file.write(0, bytes('aaaa'));
      file.sync();
      file.write(4, bytes('bbbb'));
      file.write(8, bytes('cccc'));
      file.kill(new Rng(seed));
      expect(text(file)).toBe('aaaabbbbcccc');
      file.powerLoss(new Rng(seed));
      expect(text(file).replaceAll('\0', '')).toMatch(/^aaaa(b{0,4}|bbbbc{0,4})$/);
    }
  });

  test('a write under way is cut short by a kill', () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 200; seed++) {
      const file = new SimFile();
      file.beginWrite(0, bytes('abcdef'));
      file.kill(new Rng(seed));
      expect('abcdef'.startsWith(text(file))).toBe(true);
      lengths.add(file.cache.size);
    }
    expect(lengths.size).toBeGreaterThan(4);
  });

  test('what a failed sync left is read, and gone after a power loss', () => {
    const file = new SimFile();
    file.write(0, bytes('abc'));
    file.dropUnsynced();
    file.sync();
    expect(text(file)).toBe('abc');
    file.powerLoss(new Rng(1));
    expect(text(file)).toBe('');
  });
});

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { OPTION_KEYS, OPTIONS, optionSpec } from '../../src/job/index.ts';
import { comingTables } from '../../src/job/coming.ts';
import { jobSchema, settingsPage } from '../../src/job/reference.ts';

const read = async (name: string): Promise<string> => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

describe('what is made from the options table', () => {
  it('is current (else: node scripts/docs.mjs)', async () => {
    expect(await read('docs/reference/settings.md')).toBe(settingsPage());
    expect(await read('docs/coming-from-parallelrunstep.md')).toContain(`\n\n${comingTables()}\n\n`);
    expect(await read('schemas/parallel-job.schema.json')).toBe(`${JSON.stringify(jobSchema(), undefined, 2)}\n`);
  });

  it('the page names every option, the schema every key', () => {
    const page = settingsPage();
    const schema = JSON.stringify(jobSchema());
    for (const key of OPTION_KEYS) {
      const { name, yaml, help } = optionSpec(key);
      expect(page).toContain(`\n## ${name}\n`);
      if (yaml !== undefined) expect(schema).toContain(`"${yaml.slice(yaml.lastIndexOf('.') + 1)}":`);
      expect(help.endsWith('.')).toBe(false);
    }
  });

  it('the tables for those who come from the original name every option with a name of theirs, and nothing of it is empty', () => {
    const tables = comingTables();
    for (const key of OPTION_KEYS) {
      const { yaml, v1, runtimeFlag } = optionSpec(key);
      for (const name of [yaml, v1, runtimeFlag === undefined ? undefined : `--${runtimeFlag}`])
        if (name !== undefined) expect(tables).toContain(`\`${name}\``);
    }
    // As many as that flag counts: tries, not retries.
    expect(tables).toContain('| `--run_max_try` | `retry_settings.max_retries` | `3` |');
  });

  it('every option says how it is given', () => {
    expect(Object.keys(OPTIONS)).toEqual(OPTION_KEYS);
    const silent = OPTION_KEYS.filter((key) => {
      const { yaml, cli, runtimeFlag } = optionSpec(key);
      return yaml === undefined && cli === undefined && runtimeFlag === undefined;
    });
    expect(silent).toEqual([]);
  });

  it('no two options share a name, a place, or a flag', () => {
    for (const field of [
      (k) => optionSpec(k).name,
      (k) => optionSpec(k).yaml,
      (k) => optionSpec(k).runtimeFlag,
      (k) => optionSpec(k).cli?.flag,
    ] satisfies ((k: (typeof OPTION_KEYS)[number]) => string | undefined)[]) {
      const values = OPTION_KEYS.map(field).filter((value) => value !== undefined);
      expect(new Set(values).size).toBe(values.length);
    }
  });
});

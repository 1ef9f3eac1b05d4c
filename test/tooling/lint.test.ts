/** The lint rules of our own refuse what they are there for. */
import { ESLint } from 'eslint';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';

const repository = join(import.meta.dirname, '..', '..');
let eslint: ESLint;

beforeAll(() => {
  eslint = new ESLint({
    cwd: repository,
    // Texts of a test are in no project: rules that need types stay out of it.
    overrideConfig: [
      {
        files: ['**/*.ts'],
        languageOptions: { parserOptions: { projectService: false, program: null } },
        rules: {},
      },
    ],
    ruleFilter: ({ ruleId }) =>
      /^(no-restricted|no-eval|no-new-func|max-lines|@typescript-eslint\/no-(explicit-any|non-null-assertion))/.test(
        ruleId,
      ),
  });
});

async function rules(file: string, text: string): Promise<string[]> {
  const [result] = await eslint.lintText(text, { filePath: join(repository, file) });
  return (result?.messages ?? []).map(({ ruleId, message }) => ruleId ?? message);
}

it.each([
  ['no-restricted-globals', 'src/core/x.ts', 'export const t = Date.now();'],
  ['no-restricted-syntax', 'src/core/x.ts', 'export const t = new Date();'],
  ['no-restricted-properties', 'src/core/x.ts', 'export const r = Math.random();'],
  ['no-restricted-imports', 'src/core/x.ts', "import { readFileSync } from 'node:fs';\nexport { readFileSync };"],
  ['no-restricted-imports', 'src/core/x.ts', "export { readFileSync } from 'node:fs';"],
  ['no-restricted-syntax', 'src/core/x.ts', 'export async function f(): void {}'],
  ['no-restricted-syntax', 'src/core/deep/x.ts', 'export const f = async () => 1;'],
  ['no-restricted-globals', 'src/core/x.ts', 'export const p: unknown = new Promise(() => 0);'],
  ['no-restricted-globals', 'src/views/x.ts', 'export const e = process.env;'],
  ['no-restricted-globals', 'src/views/text/x.ts', 'setTimeout(() => 0, 1);'],
  ['no-restricted-imports', 'src/node/x.ts', "import { exec } from 'node:child_process';\nexec('ls');"],
  ['no-restricted-syntax', 'src/node/x.ts', 'export const o = { shell: true };'],
  ['no-eval', 'src/node/x.ts', "eval('1');"],
  ['no-new-func', 'src/node/x.ts', "export const f = new Function('return 1');"],
  ['no-restricted-syntax', 'src/node/x.ts', 'export default 1;'],
  ['@typescript-eslint/no-explicit-any', 'src/node/x.ts', 'export const a: any = 1;'],
  ['@typescript-eslint/no-non-null-assertion', 'src/node/x.ts', 'export const a = (b?: number) => b!;'],
  ['max-lines', 'src/node/x.ts', 'export const a = 1;\n'.repeat(401)],
])('%s in %s (%#)', async (rule, file, text) => {
  expect(await rules(file, text)).toContain(rule);
});

it.each([
  ['src/core/x.ts', "import type { RunId } from '../domain/ids.ts';\nexport type T = RunId;"],
  ['src/views/x.ts', 'export const iso = (ms: number): string => String(ms);'],
  ['src/node/x.ts', "import { spawn } from 'node:child_process';\nexport const f = async () => spawn('ls');"],
  ['test/core/x.ts', 'export const now = Date.now();'],
])('lets through %s: %s', async (file, text) => {
  expect(await rules(file, text)).toEqual([]);
});

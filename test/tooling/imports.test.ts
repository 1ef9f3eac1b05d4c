/** The import rules refuse what docs/ARCHITECTURE.md forbids: one forbidden import per rule, and an innocent tree. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

const repository = join(import.meta.dirname, '..', '..');

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}

/** Runs the real check with the real rules over a source tree of its own. */
function check(files: Readonly<Record<string, string>>): { exitCode: number; violations: string[] } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'parallelrun-imports-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
    cpSync(join(repository, name), join(folder, name));
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const args = [join(repository, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs')];
  const run = (type: string) =>
    execFileSync(process.execPath, [...args, 'src', '--config', '.dependency-cruiser.cjs', '-T', type], {
      cwd: folder,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  const report = JSON.parse(run('json')) as { summary: { violations: Violation[] } };
  const violations = report.summary.violations.map(({ from, to, rule }) => `${rule.name}: ${from} -> ${to}`).sort();
  try {
    run('err');
    return { exitCode: 0, violations };
  } catch (error) {
    return { exitCode: (error as { status: number }).status, violations };
  }
}

const exporting = 'export const x = 1;\n';

/** What is allowed, so that the rules are not simply "nothing may be imported". */
const innocent: Record<string, string> = {
  'src/domain/a.ts': exporting,
  'src/domain/b.ts': "export { x } from './a.ts';\n",
  'src/core/step.ts': "export { x } from '../domain/a.ts';\n",
  'src/views/status.ts': "export { x } from '../domain/b.ts';\n",
  'src/worker/host.ts': "import 'node:fs';\nimport 'apache-arrow';\nexport { x } from '../domain/a.ts';\n",
  'src/node/slot.ts': "import 'node:child_process';\nexport { x } from '../domain/a.ts';\n",
  'src/models/index.ts': "import 'node:fs';\nexport { x } from '../domain/a.ts';\n",
  'src/job/models.ts': "export { x } from '../models/index.ts';\n",
  'src/ledger/index.ts': "import 'node:fs';\nexport { x } from '../domain/a.ts';\n",
  'src/output/index.ts': "export { x } from '../domain/a.ts';\n",
  'src/logs/index.ts': "export { x } from '../views/status.ts';\n",
  'src/dataset/index.ts': "export { x } from '../domain/a.ts';\n",
  'src/engine/embedded/index.ts': "export { x } from '../../node/slot.ts';\n",
  'src/engine/nats/index.ts': "export { x } from '../../domain/a.ts';\n",
  'src/orchestrator/index.ts': "export { x } from '../core/step.ts';\n",
  'src/sdk/compose.ts':
    "import '../ledger/index.ts';\nimport '../output/index.ts';\nexport { x } from '../orchestrator/index.ts';\n",
  'src/cli/main.ts': "import 'commander';\nexport { x } from '../sdk/compose.ts';\n",
};

/** One forbidden import each: rule, importing folder, what it imports, where that leads. */
const forbidden: readonly (readonly [rule: string, folder: string, specifier: string, to: string])[] = [
  ['domain-is-pure', 'domain', '../core/step.ts', 'src/core/step.ts'],
  ['domain-is-pure', 'domain', 'node:path', 'path'],
  ['core-is-pure', 'core', 'node:fs', 'fs'],
  ['core-is-pure', 'core', '../ledger/index.ts', 'src/ledger/index.ts'],
  ['core-is-pure', 'core', 'yaml', 'node_modules/yaml/'],
  ['views-is-pure', 'views', '../core/step.ts', 'src/core/step.ts'],
  ['views-is-pure', 'views', 'picocolors', 'node_modules/picocolors/'],
  ['worker-imports-only-domain', 'worker', '../node/slot.ts', 'src/node/slot.ts'],
  ['worker-is-light', 'worker', 'esbuild', 'node_modules/esbuild/'],
  ['node-imports-only-domain', 'node', '../logs/index.ts', 'src/logs/index.ts'],
  ['node-uses-no-package', 'node', 'picomatch', 'node_modules/picomatch/'],
  ['models-imports-only-domain', 'models', '../job/models.ts', 'src/job/models.ts'],
  ['models-use-no-package', 'models', 'yaml', 'node_modules/yaml/'],
  ['dataset-stands-apart', 'dataset', '../ledger/index.ts', 'src/ledger/index.ts'],
  ['ledger-stands-apart', 'ledger', '../output/index.ts', 'src/output/index.ts'],
  ['output-stands-apart', 'output', '../logs/index.ts', 'src/logs/index.ts'],
  ['logs-stands-apart', 'logs', '../engine/nats/index.ts', 'src/engine/nats/index.ts'],
  ['engine-embedded-stands-apart', 'engine/embedded', '../nats/index.ts', 'src/engine/nats/index.ts'],
  ['engine-nats-stands-apart', 'engine/nats', '../../dataset/index.ts', 'src/dataset/index.ts'],
  ['remote-stands-apart', 'remote', '../dataset/index.ts', 'src/dataset/index.ts'],
  ['remote-imports-only-domain-and-environment', 'remote', '../logs/index.ts', 'src/logs/index.ts'],
  ['clients-where-stores-are', 'remote', '@azure/storage-blob', 'node_modules/@azure/storage-blob/'],
  ['clients-where-stores-are', 'sdk', '@aws-sdk/client-s3', 'node_modules/@aws-sdk/client-s3/'],
  ['nobody-imports-cli', 'sdk', '../cli/main.ts', 'src/cli/main.ts'],
  ['composition-in-one-place', 'engine/embedded', '../../orchestrator/index.ts', 'src/orchestrator/index.ts'],
  ['no-unresolvable', 'job', './none.ts', './none.ts'],
  ['drivers-where-queries-are', 'dataset', '@duckdb/node-api', 'node_modules/@duckdb/node-api/'],
  ['clients-where-brokers-are', 'sdk', '@nats-io/transport-node', 'node_modules/@nats-io/'],
  ['no-development-packages', 'job', 'fast-check', 'node_modules/fast-check/'],
];

it('lets the design through', () => {
  expect(check(innocent)).toEqual({ exitCode: 0, violations: [] });
});

it('refuses each import that the design forbids', () => {
  const bad = forbidden.map(([, folder, specifier], i) => [`src/${folder}/bad${i}.ts`, `import '${specifier}';\n`]);
  const { exitCode, violations } = check({
    ...innocent,
    ...(Object.fromEntries(bad) as Record<string, string>),
    'src/core/bad-type.ts': "import type { x } from '../ledger/index.ts';\nexport type Y = typeof x;\n",
    'src/job/a.ts': "import { b } from './b.ts';\nexport const a = () => b;\n",
    'src/job/b.ts': "import { a } from './a.ts';\nexport const b = () => a;\n",
  });
  expect(exitCode).toBeGreaterThan(0);
  for (const [i, [rule, folder, , to]] of forbidden.entries()) {
    const found = violations.some(
      (line) => line.startsWith(`${rule}: src/${folder}/bad${i}.ts -> `) && line.includes(to),
    );
    expect(found, `${rule} does not refuse import ${i}`).toBe(true);
  }
  // Imports of types count as well, and so do files that need each other.
  expect(violations).toContain('core-is-pure: src/core/bad-type.ts -> src/ledger/index.ts');
  expect(violations).toContain('no-cycles: src/job/a.ts -> src/job/b.ts');
});

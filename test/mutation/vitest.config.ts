/** For `npm run mutation` only: the tests of the core and the committer, over code that can be changed while it runs. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer } from 'vitest/node';
import type { TestSpecification } from 'vitest/node';
import { instrument } from './instrument.ts';
import { firstIds } from './files.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const ids = firstIds(root);

/** The core's first: they wait for nothing. */
class ByName extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return Promise.resolve([...files].sort((a, b) => (a.moduleId < b.moduleId ? -1 : 1)));
  }
}

export default defineConfig({
  root,
  plugins: [
    {
      name: 'mutants',
      enforce: 'pre',
      load(id) {
        const file = id.startsWith(root) ? id.slice(root.length) : id;
        const first = ids.get(file);
        return first === undefined ? undefined : instrument(file, readFileSync(id, 'utf8'), first);
      },
    },
  ],
  test: {
    include: ['test/core/*.test.ts', 'test/orchestrator/*.test.ts', 'test/simulator/differential.test.ts'],
    runner: './test/mutation/runner.ts',
    pool: 'forks',
    fileParallelism: false,
    isolate: false,
    sequence: { sequencer: ByName },
    testTimeout: 0,
    hookTimeout: 0,
    restoreMocks: true,
    dangerouslyIgnoreUnhandledErrors: true,
  },
});

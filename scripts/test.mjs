/**
 * `npm test`: from a bare clone to a last line `N passed, N failed`.
 * Installs what is missing, builds, checks, runs the tests of TypeScript and of Python.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { check } from './check.mjs';
import { bin, cache, root, say, StepFailed, tee } from './lib.mjs';
import { installNodePackages } from './packages.mjs';
import { prepareBroker, prepareStores, prepareTestPython } from './setup.mjs';

const total = { passed: 0, failed: 0, skipped: 0 };
function add({ passed, failed, skipped = 0 }) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

/** A step that everything after it needs. */
async function needed(body) {
  try {
    return await body();
  } catch (error) {
    console.error(error instanceof StepFailed ? error.message : error);
    finish({ passed: 0, failed: 1 });
  }
}

function finish(more) {
  if (more) add(more);
  console.log();
  console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
  process.exit(total.failed === 0 ? 0 : 1);
}

async function vitest(python) {
  say('Tests of TypeScript (vitest)');
  const file = join(cache, 'vitest.json');
  mkdirSync(cache, { recursive: true });
  rmSync(file, { force: true });
  const { code } = await tee(bin('vitest'), ['run', '--reporter=dot', '--reporter=json', `--outputFile.json=${file}`], {
    // Colours in a log that nobody sees as colours are noise.
    env: { ...process.env, PARALLELRUN_TEST_PYTHON: python, ...(process.stdout.isTTY ? {} : { NO_COLOR: '1' }) },
  });
  if (!existsSync(file)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(file, 'utf8'));
  // A file that can't be loaded, or an error outside of any test, fails the run without failing a test.
  const failed = code !== 0 && numFailedTests === 0 ? 1 : numFailedTests;
  return { passed: numPassedTests, failed, skipped: numPendingTests + (numTodoTests ?? 0) };
}

async function unittest(python) {
  if (!existsSync(join(root, 'python', 'tests'))) return { passed: 0, failed: 0 };
  say('Tests of Python (unittest)');
  const { code, output } = await tee(python, ['-m', 'unittest', 'discover', '-s', 'python/tests', '-t', 'python']);
  const ran = Number(/^Ran (\d+) tests?/m.exec(output)?.[1] ?? 0);
  const count = (word) => Number(new RegExp(`^(?:FAILED|OK) \\(.*\\b${word}=(\\d+)`, 'm').exec(output)?.[1] ?? 0);
  const bad = count('failures') + count('errors') + count('unexpected successes');
  const skipped = count('skipped');
  // No test found, or the interpreter ended before it could count.
  const failed = bad === 0 && (code !== 0 || ran === 0) ? 1 : bad;
  return { passed: Math.max(0, ran - bad - skipped), failed, skipped };
}

const started = performance.now();
await needed(installNodePackages);
await needed(build);
add(await check());
const python = await needed(prepareTestPython);
await needed(prepareStores);
await needed(prepareBroker);
add(await vitest(python));
add(await unittest(python));
say(`Done in ${Math.round((performance.now() - started) / 1000)} s`);
finish();

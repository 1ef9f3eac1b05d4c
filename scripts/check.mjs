/**
 * Format, lint, import rules, dead code, types. All of them run, whatever the others say.
 * With names as arguments only those: `npm run check -- eslint knip`.
 */
import { bin, capture, isMain, main, say, StepFailed } from './lib.mjs';
import { installNodePackages } from './packages.mjs';

const CHECKS = {
  format: ['prettier', '--check', '--log-level', 'warn', '.'],
  types: ['tsc', '-p', 'tsconfig.json', '--noEmit'],
  lint: ['eslint', '--max-warnings', '0', '.'],
  imports: ['depcruise', 'src', '--config', '.dependency-cruiser.cjs'],
  'dead code': ['knip'],
};
/** As many as the smallest machine has cores. */
const AT_ONCE = 2;

/** @returns {Promise<{ passed: number, failed: number }>} */
export async function check(names = Object.keys(CHECKS)) {
  say(`Checking: ${names.join(', ')}`);
  const waiting = [...names];
  let failed = 0;
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const [program, ...args] = CHECKS[name];
      const started = performance.now();
      const { code, output } = await capture(bin(program), args);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      if (code === 0) {
        console.log(`    ${name} ok (${program}, ${seconds} s)`);
      } else {
        failed += 1;
        console.log(`    ${name} FAILED (${program} ${args.join(' ')}, ${seconds} s)\n${output}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { passed: names.length - failed, failed };
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const names = process.argv.slice(2);
    const unknown = names.find((name) => !(name in CHECKS));
    if (unknown !== undefined)
      throw new StepFailed(`no check is named ${unknown}; there are: ${Object.keys(CHECKS).join(', ')}`);
    installNodePackages();
    const { failed } = await check(names.length > 0 ? names : undefined);
    if (failed > 0) throw new StepFailed(`${failed} of the checks failed`);
  });
}

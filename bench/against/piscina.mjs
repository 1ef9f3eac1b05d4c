/** No-op tasks of ten names on piscina: `piscina.mjs '{"packages": ..., "workers": n, "folder": ..., "tasks": n, "warm": n}'`. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Enough to keep all threads busy, few enough to keep memory flat. */
const IN_FLIGHT = 64;
const { packages, workers, folder, tasks, warm } = JSON.parse(process.argv[2]);
const { Piscina } = createRequire(join(packages, 'package.json'))('piscina');
const filename = fileURLToPath(new URL('../scripts/noop.mjs', import.meta.url));
const pool = new Piscina({ filename, name: 'run', minThreads: workers, maxThreads: workers });

const all = Array.from({ length: tasks }, (_, i) =>
  Array.from({ length: 10 }, (_, k) => `${folder}/0000/file-${String(i * 10 + k)}.txt`),
);

async function go(list) {
  let next = 0;
  const one = async () => {
    while (next < list.length) await pool.run(list[next++]);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

await go(all.slice(0, warm));
const from = performance.now();
await go(all);
console.log(JSON.stringify({ inside: (performance.now() - from) / 1000 }));
await pool.destroy();

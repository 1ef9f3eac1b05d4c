/**
 * Peak memory of the orchestrator and the time to the first mini-batch with partition keys: a table is made, grouped by
 * two of its columns, and its groups are counted by a script that does nothing with them.
 * `node bench/partition.mjs [MiB ...]`; default 256 and 1024, each with few groups and with one for every hundred rows.
 */
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runMeasured } from './lib/processes.mjs';

const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const LIMIT_SECONDS = 3600;
const MIB = 1024 * 1024;
const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [256, 1024];
const folder = mkdtempSync(join(tmpdir(), 'bench-partition-'));
mkdirSync(join(folder, 'code'));
writeFileSync(join(folder, 'code/count.mjs'), 'export const run = (table) => [`${table.numRows}`];\n');

/** Rows of about 100 bytes, a twentieth of them with a quoted line break; the keys come in no order. */
function makeTable(path, bytes, stores) {
  const file = openSync(path, 'w');
  let written = writeSync(file, 'id,store,brand,price,note\n');
  let [rows, seed] = [0, 12345];
  const random = (n) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return Math.floor((seed / 2 ** 32) * n);
  };
  while (written < bytes) {
    const lines = [];
    for (let i = 0; i < 10_000; i++) {
      const note =
        random(20) === 0
          ? `"a note, ${rows}\nof two lines, long enough for that"`
          : `a note of one line ${rows} that is long enough for that`;
      lines.push(`${rows},${random(stores(bytes))},brand-${random(20)},${random(100_000) / 100},${note}\n`);
      rows += 1;
    }
    written += writeSync(file, lines.join(''));
  }
  closeSync(file);
  return rows;
}

const CASES = [
  { name: 'few groups', stores: () => 10 },
  { name: 'many groups', stores: (bytes) => Math.ceil(bytes / 85 / 100 / 20) },
];

try {
  for (const size of sizes) {
    for (const { name, stores } of CASES) {
      const table = join(folder, 'table.csv');
      const rows = makeTable(table, size * MIB, stores);
      const args = ['run', '--entry-script', 'code/count.mjs', '--input', table, '--partition-keys', 'store,brand'];
      const flags = [
        '--processes',
        '1',
        '--name',
        'n',
        '--summary-only',
        '--resource-monitor-interval',
        '0',
        '--root',
        'runs',
      ];
      const ran = await runMeasured(process.execPath, [CLI, ...args, ...flags], {
        limitSeconds: LIMIT_SECONDS,
        cwd: folder,
        env: {},
      });
      if (ran.failed !== undefined) throw new Error(`${ran.failed}\n${ran.stderr}`);
      const seconds = (firstStart() - ran.startedAt) / 1000;
      const groups = readFileSync(join(folder, 'runs/n/state/manifest.jsonl'), 'utf8').split('\n').length - 1;
      console.log(
        `${size} MiB, ${name}: ${rows} rows, ${groups} groups; first mini-batch after ${seconds.toFixed(1)} s ` +
          `(${(statSync(table).size / MIB / seconds).toFixed(0)} MiB a second), all after ${ran.seconds.toFixed(1)} s; ` +
          `peak of the orchestrator ${ran.peak.toFixed(0)} MiB`,
      );
      rmSync(join(folder, 'runs'), { recursive: true });
      rmSync(table);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function firstStart() {
  const logs = join(folder, 'runs/n/logs/worker');
  const starts = readdirSync(logs).flatMap((ip) =>
    readdirSync(join(logs, ip)).map((file) => /start1=(\S+)/.exec(readFileSync(join(logs, ip, file), 'utf8'))?.[1]),
  );
  return Math.min(...starts.filter(Boolean).map((text) => Date.parse(text)));
}

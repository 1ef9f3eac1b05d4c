/**
 * `npm run shares-test`: two runs with shares 3 to 1 on the same two nodes, and a third with high priority that comes
 * late. Prints what each had of the worker time in every 30 s after the first ten, and how soon the third began.
 *
 * Exit code 0: the shares hold within 10 %, and the third has its first mini-batch running within 2 s.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cache, root, say } from './lib.mjs';

const SERVER = join(cache, 'nats/venv/bin/nats-server');
if (!existsSync(SERVER)) {
  console.log('Not run: nats-server is not in .cache/nats: npm test gets it');
  process.exit(3);
}
const CLI = join(root, 'dist/cli/main.js');
const SLOTS = 4;
/** Seconds a mini-batch of each run: different ones, for shares are of time. */
const WORK = { a: 0.1, b: 0.17, c: 0.1 };
const SECONDS = 70;
const LATE_SECONDS = 45;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const base = mkdtempSync(join(tmpdir(), 'pr-shares-'));
const listener = createServer().listen(0, '127.0.0.1');
await once(listener, 'listening');
const { port } = listener.address();
listener.close();
const engine = `nats://127.0.0.1:${port}`;
writeFileSync(
  join(base, 'nats.conf'),
  `listen: 127.0.0.1:${port}\njetstream { store_dir: "${base}/data", sync_interval: always }\n`,
);
mkdirSync(join(base, 'code'));
writeFileSync(
  join(base, 'code/score.py'),
  `
import os, time
def run(mini_batch):
    begun = time.time()
    time.sleep(float(os.environ["WORK"]))
    with open(os.environ["NOTES"], "a") as notes:
        notes.write("%.4f %.4f\\n" % (begun, time.time()))
    return ["row"]
`,
);
const children = [];
const start = (command, args, env = {}) => {
  const child = spawn(command, args, { cwd: base, stdio: 'ignore', env: { ...process.env, ...env } });
  children.push(child);
  return child;
};
start(SERVER, ['-c', join(base, 'nats.conf')]);
await pause(500);
for (const n of [1, 2]) {
  const where = ['--advertise', `10.0.0.${n}`, '--slots', String(SLOTS), '--work-folder', join(base, `work${n}`)];
  start(process.execPath, [CLI, 'agent', '--engine', engine, ...where]);
}
await pause(1000);
const begin = (name, count, ...flags) => {
  const own = [
    '--name',
    name,
    '--env',
    `WORK=${WORK[name]}`,
    '--env',
    `NOTES=${base}/notes-${name}`,
    '--root',
    join(base, 'runs'),
  ];
  const common = ['run', '--entry-script', 'code/score.py', '--rank-mini-batch-count', String(count), '--summary-only'];
  return start(process.execPath, [
    CLI,
    ...common,
    ...own,
    '--engine',
    engine,
    '--nodes',
    '2',
    '--processes',
    String(SLOTS),
    ...flags,
  ]);
};
const notes = (name) =>
  existsSync(`${base}/notes-${name}`)
    ? readFileSync(`${base}/notes-${name}`, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => line.split(' ').map(Number))
    : [];
/** Worker seconds that a run had between two times. */
const used = (calls, from, to) =>
  calls.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(b, to) - Math.max(a, from)), 0);

say('Two runs with shares 3 to 1; a third with high priority comes later');
const zero = Date.now() / 1000;
begin('a', 1_000_000, '--share', '3');
begin('b', 1_000_000, '--share', '1');
await pause(LATE_SECONDS * 1000);
const lateAt = Date.now() / 1000;
const third = begin('c', 24, '--priority', '10');
await once(third, 'exit');
await pause(Math.max(0, (zero + SECONDS) * 1000 - Date.now()));
const [a, b, c] = ['a', 'b', 'c'].map(notes);
const last = Math.max(...a.map(([, end]) => end), ...b.map(([, end]) => end));
for (const child of children.reverse()) child.kill('SIGKILL');
await pause(500);

const both = Math.max(a[0][0], b[0][0]);
let worst = 0;
const shares = [];
for (let from = both + 10; from + 30 <= last - 1; from += 1) {
  const [x, y] = [used(a, from, from + 30), used(b, from, from + 30)];
  shares.push(x / (x + y));
  worst = Math.max(worst, Math.abs(x / (x + y) / 0.75 - 1), Math.abs(y / (x + y) / 0.25 - 1));
}
const first = Math.min(...c.map(([at]) => at)) - lateAt;
console.log(`${a.length} mini-batches of ${WORK.a} s, ${b.length} of ${WORK.b} s, in ${(last - zero).toFixed(1)} s`);
console.log(
  `share of the first run in each of ${shares.length} windows of 30 s: ${Math.min(...shares).toFixed(4)} to ${Math.max(...shares).toFixed(4)} (0.75 is right)`,
);
console.log(`farthest from its share: ${(worst * 100).toFixed(1)} % (at most 10 %)`);
console.log(
  `places in use: ${((used([...a, ...b], both + 10, last - 1) / ((last - 1 - both - 10) * 2 * SLOTS)) * 100).toFixed(1)} %`,
);
console.log(
  `the third run had its first mini-batch running ${first.toFixed(2)} s after its command was started (at most 2 s)`,
);
rmSync(base, { recursive: true, force: true });
const isRight = shares.length > 0 && worst <= 0.1 && first <= 2;
console.log(isRight ? '3 passed, 0 failed' : 'FAILED');
process.exit(isRight ? 0 : 1);

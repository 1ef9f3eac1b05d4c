/**
 * `npm run leader-test`: a run over a broker of three servers, the leader of whose streams is killed while it works, and
 * later the next one, once the first is back. Prints how long nothing was committed.
 *
 * Exit code 0: the output is byte for byte that of one machine, and each mini-batch was committed once.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { cache, root, say } from './lib.mjs';

const SERVER = join(cache, 'nats/venv/bin/nats-server');
if (!existsSync(SERVER)) {
  console.log('Not run: nats-server is not in .cache/nats: npm test gets it');
  process.exit(3);
}
const { connect } = await import('@nats-io/transport-node');
const { jetstreamManager } = await import('@nats-io/jetstream');
const CLI = join(root, 'dist/cli/main.js');
const COUNT = 6000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => server.address().port);
  for (const server of servers) server.close();
  return ports;
}

const base = mkdtempSync(join(tmpdir(), 'pr-leader-'));
const ports = await freePorts(6);
const clients = ports.slice(0, 3);
const routes = ports.slice(3).map((port) => `nats://127.0.0.1:${port}`);
const engine = `nats://${clients.map((port) => `127.0.0.1:${port}`).join(',')}`;
const children = new Set();
const start = (command, args, options = {}) => {
  const child = spawn(command, args, { cwd: base, stdio: 'ignore', ...options });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
};
const servers = [];
const startServer = (i) => {
  const conf = join(base, `s${i}.conf`);
  writeFileSync(
    conf,
    `server_name: s${i}
listen: 127.0.0.1:${clients[i]}
jetstream { store_dir: "${base}/data${i}", sync_interval: always }
cluster { name: c, listen: 127.0.0.1:${ports[3 + i]}, routes: ${JSON.stringify(routes)} }
`,
  );
  servers[i] = start(SERVER, ['-c', conf]);
};
const kill = async (child) => {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
};

for (const i of [0, 1, 2]) startServer(i);
await pause(6000);
mkdirSync(join(base, 'code'));
writeFileSync(
  join(base, 'code/score.py'),
  'import time\ndef run(b):\n    time.sleep(0.02)\n    return ["%s" % (x,) for x in ([b] if not hasattr(b, "__iter__") else b)] or ["row"]\n',
);
mkdirSync(join(base, 'in'));
for (let i = 0; i < COUNT; i++) writeFileSync(join(base, 'in', `f${String(i).padStart(6, '0')}`), 'x');
for (const n of [1, 2]) {
  const where = ['--advertise', `10.0.0.${n}`, '--slots', '2', '--work-folder', join(base, `work${n}`)];
  start(process.execPath, [CLI, 'agent', ...where], { env: { ...process.env, PARALLELRUN_ENGINE: engine } });
}
await pause(1000);
const begin = (name, ...flags) => {
  const what = [
    'run',
    '--entry-script',
    'code/score.py',
    '--input',
    'in',
    '--mini-batch-size',
    '1',
    '--processes',
    '2',
  ];
  const child = start(process.execPath, [CLI, ...what, '--name', name, '--root', join(base, 'runs'), ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (more) => (text += more));
  return once(child, 'exit').then(([code]) => ({ code, text }));
};
const report = join(base, 'runs/cluster/logs/job_report/processed_mini-batches.csv');
const settled = () => (existsSync(report) ? readFileSync(report, 'utf8').split('\n').length - 2 : 0);

async function leaderOf(stream) {
  const connection = await connect({ servers: engine.replace('nats://', '').split(',') });
  const { cluster } = await (await jetstreamManager(connection)).streams.info(stream);
  await connection.close();
  return Number(cluster.leader.slice(1));
}

say(`${COUNT} mini-batches of 20 ms over two agents and three servers`);
let isOver = false;
const ended = begin('cluster', '--engine', engine, '--nodes', '2').then((end) => {
  isOver = true;
  return end;
});
const samples = [];
const sampler = setInterval(() => samples.push({ at: Date.now(), count: settled() }), 100);
const pauses = [];
for (const [share, stream] of [
  [0.2, 'PR_NEWS_cluster'],
  [0.6, 'PR_WORK_cluster'],
]) {
  while (settled() < COUNT * share && !isOver) await pause(50);
  const leader = await leaderOf(stream);
  const at = Date.now();
  await kill(servers[leader]);
  console.log(`killed s${leader}, leader of ${stream}, after ${settled()} mini-batches`);
  await pause(12_000);
  startServer(leader);
  await pause(3000);
  let [longest, last] = [0, undefined];
  for (const sample of samples.filter((one) => one.at > at - 300)) {
    if (!last || sample.count > last.count) last = sample;
    longest = Math.max(longest, sample.at - last.at);
    if (sample.count >= COUNT) break;
  }
  pauses.push({ stream, longest });
}
const end = await ended;
clearInterval(sampler);
if (end.code !== 0) console.log(end.text.slice(-2000));
const alone = await begin('alone');
const result = (name) => readFileSync(join(base, 'runs', name, 'outputs/parallel_run_step.txt'));
const { openRun } = await import(join(root, 'dist/sdk/index.js'));
const committed = [];
for await (const event of (await openRun(join(base, 'runs'), 'cluster')).events({ follow: false }))
  if (event.type === 'try-finished' && event.settles === 'done') committed.push(event.index);
const checks = [
  ['the run completed', end.code === 0 && alone.code === 0],
  ['output byte for byte that of one machine', end.code === 0 && result('cluster').equals(result('alone'))],
  ['each mini-batch committed once', committed.length === COUNT && new Set(committed).size === COUNT],
];
for (const { stream, longest } of pauses)
  console.log(`leader of ${stream} killed: nothing committed for ${(longest / 1000).toFixed(1)} s`);
const master = readFileSync(join(base, 'runs/cluster/logs/master.txt'), 'utf8');
console.log(
  master
    .split('\n')
    .filter((line) => /broker|silent|lost|heard/.test(line))
    .join('\n'),
);
for (const [what, isRight] of checks) console.log(`${isRight ? 'ok    ' : 'FAILED'} ${what}`);
for (const child of children) child.kill('SIGKILL');
await pause(500);
rmSync(base, { recursive: true, force: true });
const failed = checks.filter(([, isRight]) => !isRight).length;
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

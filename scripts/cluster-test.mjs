/**
 * `npm run cluster-test`: a run over three hosts that share nothing (network and mount namespaces), through one broker,
 * against the same run on one machine. With `--faults` things break meanwhile, in an order that the seed decides.
 *
 * Options: --mini-batches N (5000), --pause SECONDS (0.02; 0.25 with faults), --faults, --seed N, --keep.
 * Exit code 0: output byte for byte the same, logs of all hosts there while it ran, nothing run after its commit.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { parseArgs } from 'node:util';
import { makeHosts, whyNoHosts } from './hosts-lib.mjs';
import { cache, root, say } from './lib.mjs';

const { values } = parseArgs({
  options: {
    'mini-batches': { type: 'string', default: '5000' },
    pause: { type: 'string' },
    faults: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
});
const COUNT = Number(values['mini-batches']);
const PAUSE = Number(values.pause ?? (values.faults ? 0.25 : 0.02));
const SERVER = join(cache, 'nats/venv/bin/nats-server');
const CLI = join(root, 'dist/cli/main.js');
const reason = whyNoHosts() ?? (existsSync(SERVER) ? undefined : 'nats-server is not in .cache/nats: npm test gets it');
if (reason) {
  console.log(`Not run: ${reason}`);
  process.exit(3);
}

/** Each call is noted with its time, on the host where it ran. */
const SCRIPT = `
import os, time
def run(mini_batch):
    rows = []
    for path in mini_batch:
        base = os.path.basename(path)
        with open(os.environ["NOTES"], "a") as notes:
            notes.write("%s %.6f\\n" % (base, time.time()))
        print("scoring", base)
        time.sleep(float(os.environ["PAUSE"]))
        with open(path) as f:
            rows.append(base + " " + f.read().strip())
    return rows
`;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let random = Number(values.seed) >>> 0;
const draw = (below) => {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
  return Math.floor((random / 2 ** 32) * below);
};

const base = mkdtempSync(join(tmpdir(), 'pr-cluster-'));
const input = join(base, 'in');
mkdirSync(join(base, 'code'), { recursive: true });
mkdirSync(input);
writeFileSync(join(base, 'code/score.py'), SCRIPT);
for (let i = 0; i < COUNT; i++) writeFileSync(join(input, `f${String(i).padStart(6, '0')}`), `${(i * 7919) % 10007}\n`);

const { bridgeAddress, hosts, remove } = await makeHosts(3, base, input);
const children = new Set();
const track = (child) => {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
};

const engine = `nats://pr:secret@${bridgeAddress}:4333`;
writeFileSync(
  join(base, 'nats.conf'),
  `listen: "${bridgeAddress}:4333"
jetstream { store_dir: "${base}/broker", sync_interval: always }
authorization { user: pr, password: secret }
`,
);
let broker;
const startBroker = async () => {
  broker = track(spawn(SERVER, ['-c', join(base, 'nats.conf')], { stdio: 'ignore' }));
  await pause(500);
};
const killBroker = async () => {
  const gone = once(broker, 'exit');
  broker.kill('SIGKILL');
  await gone;
};

const agents = new Map();
const startAgent = (host) => {
  const args = [CLI, 'agent', '--slots', '2', '--advertise', host.address, '--work-folder', join(base, 'work')];
  const env = { ...process.env, PARALLELRUN_ENGINE: engine };
  const child = track(host.spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
  child.stdout.resume();
  child.stderr.resume();
  agents.set(host, child);
};

const orchestrate = (words) => {
  const env = { ...process.env, PARALLELRUN_ROOT: join(base, 'runs'), PARALLELRUN_ENGINE: engine, NO_COLOR: '1' };
  const child = track(spawn(process.execPath, [CLI, ...words], { cwd: base, env, stdio: ['ignore', 'pipe', 'pipe'] }));
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (more) => (text += more));
  return { child, ended: once(child, 'exit').then(([code]) => ({ code, text })) };
};
const common = (run) => [
  ...['run', '--entry-script', 'code/score.py', '--input', 'in', '--mini-batch-size', '1', '--processes', '2'],
  ...['--name', run, '--env', `PAUSE=${PAUSE}`, '--env', `NOTES=${base}/notes`],
];

const results = [];
const check = (what, isRight, detail = '') => {
  results.push(isRight);
  console.log(`${isRight ? 'ok    ' : 'FAILED'} ${what}${detail ? `: ${detail}` : ''}`);
};

await startBroker();
for (const host of hosts) startAgent(host);
say(`${COUNT} mini-batches of ${PAUSE} s over ${hosts.map(({ address }) => address).join(', ')}`);
let current = orchestrate([...common('cluster'), '--nodes', '3']);
const begun = Date.now();
const folder = join(base, 'runs/cluster');
const resultOf = (run) => readFileSync(join(base, 'runs', run, 'outputs/parallel_run_step.txt'));
const settled = () => {
  const file = join(folder, 'logs/job_report/processed_mini-batches.csv');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 2 : 0;
};
const commits = [];
const sampler = setInterval(() => commits.push({ at: Date.now(), count: settled() }), 250);
let isOver = false;
let live;
const watchLogs = setInterval(() => {
  if (live || isOver || settled() < COUNT / 4) return;
  live = {
    at: settled(),
    logs: hosts.map(({ address }) => linesOf(`logs/worker/${address}`)),
    out: hosts.map(({ address }) => linesOf(`logs/user/stdout/${address}`)),
  };
}, 500);
function linesOf(path) {
  const where = join(folder, path);
  if (!existsSync(where)) return 0;
  return readdirSync(where).reduce(
    (sum, name) => sum + readFileSync(join(where, name), 'utf8').split('\n').length - 1,
    0,
  );
}

const table = [];
const host = () => hosts[draw(hosts.length)];
const FAULTS = {
  'agent killed, another started': async (h = host()) => {
    agents.get(h).kill('SIGKILL');
    await pause(1000);
    startAgent(h);
    return { who: h.address, back: 15_000, seen: new RegExp(`node ${h.address} is lost`) };
  },
  'agent stopped for 25 s': async (h = host()) => {
    agents.get(h).kill('SIGSTOP');
    await pause(25_000);
    agents.get(h).kill('SIGCONT');
    return { who: h.address, seen: new RegExp(`node ${h.address} is lost`) };
  },
  'link cut for 6 s': async (h = host()) => {
    h.cut();
    await pause(6_000);
    h.mend();
    return { who: h.address, seen: new RegExp(`node ${h.address} is (silent|heard again)`) };
  },
  'link cut for 30 s': async (h = host()) => {
    h.cut();
    await pause(30_000);
    h.mend();
    return { who: h.address, seen: new RegExp(`node ${h.address} is lost`) };
  },
  'broker killed, back after 1 s': async () => {
    await killBroker();
    await pause(1000);
    await startBroker();
    return { who: 'broker', seen: /the broker can no longer be reached/ };
  },
  'broker killed, its data wiped': async () => {
    await killBroker();
    rmSync(join(base, 'broker'), { recursive: true, force: true });
    await pause(1000);
    await startBroker();
    return { who: 'broker', seen: /the broker had lost the streams/ };
  },
  'orchestrator killed, resumed': async () => {
    current.child.kill('SIGKILL');
    await current.ended;
    await pause(500);
    current = orchestrate(['resume', 'cluster']);
    return { who: 'orchestrator', seen: /resumed/i };
  },
};

async function breakThings() {
  const names = Object.keys(FAULTS);
  for (let i = names.length - 1; i > 0; i--) {
    const j = draw(i + 1);
    [names[i], names[j]] = [names[j], names[i]];
  }
  while (settled() < COUNT / 50 && !isOver) await pause(100);
  for (const name of names) {
    if (isOver) return check(`time for ${name}`, false, 'the run was over before');
    const at = Date.now();
    const { who, seen } = await FAULTS[name]();
    const mended = Date.now();
    // until all three work again, and the log has told of it
    await pause(2_000);
    const until = Date.now() + 40_000;
    const logged = () =>
      readFileSync(join(folder, 'logs/master.txt'), 'utf8')
        .split('\n')
        .filter((line) => seen.test(line) && timeOf(line) >= at - 1000);
    while (!isOver && Date.now() < until && !(logged().length > 0 && (await speed()) > 0.7)) await pause(250);
    const full = Date.now();
    const [line = ''] = logged();
    table.push({
      name,
      who,
      at,
      toldAfter: line ? timeOf(line) - at : undefined,
      pause: longestPause(at, full),
      full: full - mended,
      line: line.slice(0, 150),
    });
    check(`master.txt tells of: ${name}`, line !== '');
  }
}
const timeOf = (line) => Date.parse(`${line.slice(0, 19).replace(' ', 'T')}Z`);
/** Share of the speed that six workers can have, over the last seconds. */
async function speed() {
  const from = settled();
  const at = Date.now();
  await pause(1500);
  return ((settled() - from) / ((Date.now() - at) / 1000)) * (PAUSE / 6);
}
function longestPause(from, to) {
  let longest = 0;
  let last;
  for (const { at, count } of commits) {
    if (at < from - 500 || at > to) continue;
    if (last === undefined || count > last.count) last = { at, count };
    longest = Math.max(longest, at - last.at);
  }
  return longest;
}

const breaking = values.faults ? breakThings() : undefined;
let end;
for (let known; known !== current;) {
  known = current;
  end = await current.ended;
  await pause(1200); // it may have been killed to be resumed
}
isOver = true;
await breaking;
clearInterval(sampler);
clearInterval(watchLogs);
const seconds = (Date.now() - begun) / 1000;
check('the run completed', end.code === 0, `${seconds.toFixed(1)} s`);
if (end.code !== 0) console.log(end.text.slice(-3000));

// before the hosts go
const runs = hosts.flatMap((h) =>
  h
    .read(`${base}/notes`)
    .split('\n')
    .filter(Boolean)
    .map((line) => ({ host: h.address, name: line.split(' ')[0], at: Number(line.split(' ')[1]) * 1000 })),
);
check(
  'live logs of all three hosts',
  live !== undefined && live.logs.every((n) => n > 0) && live.out.every((n) => n > 0),
  live && `after ${live.at} mini-batches: lines of workers ${live.logs.join(', ')}; of prints ${live.out.join(', ')}`,
);
for (const { address } of hosts)
  check(
    `logs under ${address} at the end`,
    ['worker', 'user/stdout', 'performance'].every((kind) => linesOf(`logs/${kind}/${address}`) > 0),
  );
for (const h of hosts) {
  const seen = h.spawn('ls', [join(base, 'runs')], { stdio: 'ignore' });
  const [code] = await once(seen, 'exit');
  check(`${h.address} can't see the folder of the run`, code !== 0);
}
if (!values.faults) {
  const printed = hosts.flatMap(({ address }) =>
    readdirSync(join(folder, 'logs/user/stdout', address)).flatMap((file) =>
      [...readFileSync(join(folder, 'logs/user/stdout', address, file), 'utf8').matchAll(/scoring (f\d+)/g)].map(
        (m) => m[1],
      ),
    ),
  );
  check(
    'each print arrived once',
    printed.length === COUNT && new Set(printed).size === COUNT,
    `${printed.length} of ${COUNT}`,
  );
}

const { openRun } = await import(join(root, 'dist/sdk/index.js'));
const committed = new Map();
for await (const event of (await openRun(join(base, 'runs'), 'cluster')).events({ follow: false })) {
  if (event.type === 'try-finished' && event.settles === 'done') {
    if (committed.has(event.index)) check('committed once', false, String(event.index));
    committed.set(event.index, event.at);
  }
}
check('each mini-batch committed once', committed.size === COUNT, String(committed.size));
const late = runs.filter(({ name, at }) => at > committed.get(Number(name.slice(1))));
check(
  'nothing run after its commit',
  late.length === 0,
  `${runs.length} runs of ${COUNT} mini-batches${late.length ? `; late: ${JSON.stringify(late.slice(0, 5))}` : ''}`,
);

say('The same on one machine');
const alone = orchestrate([
  ...common('alone').map((word) => (word.startsWith('PAUSE=') ? 'PAUSE=0' : word)),
  '--engine',
  'embedded',
]);
const embedded = await alone.ended;
check('the embedded run completed', embedded.code === 0);
check(
  'output byte for byte that of the embedded engine',
  end.code === 0 && resultOf('cluster').equals(resultOf('alone')),
  `${resultOf('alone').length} bytes`,
);

if (table.length > 0) {
  console.log('\n| fault | where | told in master.txt after | longest pause of commits | full speed after its end |');
  console.log('| --- | --- | --- | --- | --- |');
  const s = (ms) => (ms === undefined ? 'not' : `${(ms / 1000).toFixed(1)} s`);
  for (const row of table)
    console.log(`| ${row.name} | ${row.who} | ${s(row.toldAfter)} | ${s(row.pause)} | ${s(row.full)} |`);
  for (const row of table) console.log(row.line);
}
for (const child of agents.values()) {
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  await gone;
}
for (const child of children) child.kill('SIGKILL');
remove();
if (values.keep) console.log(base);
else rmSync(base, { recursive: true, force: true });
const failed = results.filter((isRight) => !isRight).length;
console.log(`\n${results.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

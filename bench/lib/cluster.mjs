/** A broker and agents on this machine, for as long as one measurement takes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cache, root } from '../../scripts/lib.mjs';
import { prepareBroker } from '../../scripts/setup.mjs';
import { Unavailable } from './measure.mjs';
import { scripts } from './peers.mjs';

const SERVER = join(cache, 'nats/venv/bin/nats-server');
const ADDRESS = '127.0.0.1';
/** Agents that are just started must not take time from what is measured. */
const SETTLE_MS = 1_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort() {
  const server = createServer().listen(0, ADDRESS);
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, ADDRESS);
    socket.on('connect', () => resolve(true) || socket.destroy());
    socket.on('error', () => resolve(false));
  });
}

/**
 * @param agents how many, each with `slots` places for workers
 * @param body gets the arguments of `parallelrun run` for it
 */
export async function withCluster({ agents, slots, dist }, body) {
  await prepareBroker();
  if (!existsSync(SERVER)) throw new Unavailable('nats-server is not here');
  const folder = mkdtempSync(join(tmpdir(), 'bench-nats-'));
  const port = await freePort();
  const conf = join(folder, 'nats.conf');
  writeFileSync(conf, `listen: ${ADDRESS}:${port}\njetstream { store_dir: "${folder}/data", sync_interval: always }\n`);
  const engine = `nats://${ADDRESS}:${port}`;
  const children = [spawn(SERVER, ['-c', conf], { stdio: 'ignore' })];
  try {
    for (let i = 0; i < 200 && !(await answers(port)); i++) await pause(25);
    const cli = join(dist ?? join(root, 'dist'), 'cli/main.js');
    for (let i = 1; i <= agents; i++) {
      const args = ['agent', '--engine', engine, '--advertise', `10.0.0.${i}`, '--slots', String(slots)];
      children.push(
        spawn(process.execPath, [cli, ...args, '--work-folder', join(folder, String(i))], { stdio: 'ignore' }),
      );
    }
    await pause(SETTLE_MS);
    return await body(['--engine', engine, '--nodes', String(agents)]);
  } finally {
    for (const child of children.reverse()) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Mini-batches a second that do nothing and have no input, by the difference of two runs. Nobody looks at the processes
 * meanwhile: at such rates that alone takes a quarter of the speed.
 */
export async function nothingSteady({ sizes, workers, args = [], dist }) {
  const seconds = [];
  for (const count of sizes) {
    const folder = mkdtempSync(join(tmpdir(), 'bench-runs-'));
    const cli = join(dist ?? join(root, 'dist'), 'cli/main.js');
    const what = ['--entry-script', join(scripts, 'nothing.mjs'), '--rank-mini-batch-count', String(count)];
    const how = ['--processes', String(workers), '--root', folder, ...args];
    const from = performance.now();
    const [code] = await once(spawn(process.execPath, [cli, 'run', ...what, ...how], { stdio: 'ignore' }), 'exit');
    seconds.push((performance.now() - from) / 1000);
    rmSync(folder, { recursive: true, force: true });
    if (code !== 0) throw new Unavailable(`exit code ${code}`);
  }
  const perSecond = (sizes[1] - sizes[0]) / (seconds[1] - seconds[0]);
  return { perSecond, micros: 1e6 / perSecond };
}

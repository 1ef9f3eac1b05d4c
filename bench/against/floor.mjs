/**
 * The floor: a parent in Node and children in Python, each over descriptor 3, frames of a length and JSON, four at a child
 * at any time. Nothing is recorded, nothing can fail. `floor.mjs '{"python": ..., "workers": n, "tasks": n, "warm": n}'`.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const DEPTH = 4;
const { python, workers, folder, tasks, warm } = JSON.parse(process.argv[2]);
const child = fileURLToPath(new URL('floor.py', import.meta.url));

function frame(message) {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body]);
}

/** Calls `took` with each message that has come whole. */
function reader(took) {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length >= at + 4 && rest.length >= at + 4 + rest.readUInt32LE(at)) {
      const end = at + 4 + rest.readUInt32LE(at);
      took(JSON.parse(rest.toString('utf8', at + 4, end)));
      at = end;
    }
    rest = rest.subarray(at);
  };
}

const pad = (n, length) => String(n).padStart(length, '0');
const task = (i) =>
  Array.from({ length: 10 }, (_, k) => i * 10 + k).map(
    (n) => `${folder}/${pad(Math.floor(n / 1000), 4)}/file-${pad(n % 1000, 3)}.txt`,
  );

/** Hands out all of `list` and waits for all results. */
function go(pipes, list) {
  return new Promise((resolve) => {
    let [next, done] = [0, 0];
    const give = (pipe) => next < list.length && pipe.write(frame({ id: next, paths: list[next++] }));
    for (const pipe of pipes) {
      pipe.took = () => {
        done += 1;
        if (done === list.length) resolve();
        else give(pipe);
      };
      for (let i = 0; i < DEPTH; i++) give(pipe);
    }
  });
}

const children = Array.from({ length: workers }, () =>
  spawn(python, [child], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] }),
);
const pipes = children.map(({ stdio }) => stdio[3]);
for (const pipe of pipes)
  pipe.on(
    'data',
    reader(() => pipe.took()),
  );
const all = Array.from({ length: tasks }, (_, i) => task(i));
await go(pipes, all.slice(0, warm));
const [cpu, from] = [process.cpuUsage(), performance.now()];
await go(pipes, all);
const inside = (performance.now() - from) / 1000;
const { user, system } = process.cpuUsage(cpu);
for (const pipe of pipes) pipe.end();
console.log(JSON.stringify({ inside, parentCpu: (user + system) / 1e6 }));

/** Runs an embedded engine in a process of its own; told by its arguments what to do with it. */
import { readFileSync } from 'node:fs';
import { createEmbeddedEngine } from '../../src/engine/embedded/index.ts';
import type { NodeOptions } from '../../src/node/options.ts';
import type { Assignment } from '../../src/domain/ports.ts';
import { epochMs } from '../../src/domain/ids.ts';

const { options, orders, then } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as {
  options: Omit<NodeOptions, 'clock' | 'logs'>;
  orders: object[];
  then: 'stop' | 'stay' | 'exit';
};
const engine = createEmbeddedEngine({
  ...options,
  clock: { now: () => epochMs(Date.now()), monotonic: () => performance.now() },
  logs: { append: () => undefined, flush: () => Promise.resolve() },
});
let left = orders.length;
await engine.start((events) => {
  for (const event of events) {
    process.stdout.write(`${event.type}\n`);
    if (event.type === 'worker-initialized') {
      engine.dispatch(
        orders.map((order, index) => ({
          worker: event.worker,
          index,
          dispatch: 1,
          try: 1,
          items: 1,
          source: Buffer.from(JSON.stringify({ kind: 'files', root: JSON.stringify(order), files: ['a'] })),
        })) as unknown as Assignment[],
      );
    }
    if (event.type === 'try-outcome' && --left === 0) {
      if (then === 'stop') void engine.stop('orderly').then(() => process.stdout.write('stopped\n'));
      if (then === 'exit') process.exit(7);
    }
  }
});

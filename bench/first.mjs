/** Time from the command to the first result of a trivial script over files, two processes. */
import { names, noFolder, timesOf } from './lib/data.mjs';
import { runOurs } from './lib/ours.mjs';
import { python, runPeer } from './lib/peers.mjs';

const WORKERS = 2;
const TASKS = 10;

export async function sections({ dist, limitSeconds }) {
  const input = names(TASKS * 10);
  const ours = (script) => async () => {
    const args = ['--input', input, '--processes', String(WORKERS)];
    const ran = await runOurs({ script, args, dist, limitSeconds, look: timesOf });
    return { first: (ran.firstOutcome - ran.startedAt) / 1000, seconds: ran.seconds };
  };
  const peer = (id, name) => ({
    id,
    name,
    run: async () => {
      const setting = { peer: id, workers: WORKERS, tasks: TASKS, folder: noFolder };
      const { firstAt, startedAt, seconds } = await runPeer(python, 'peer.py', setting, { limitSeconds });
      return { first: (firstAt - startedAt) / 1000, seconds };
    },
  });
  return [
    {
      id: 'first',
      title: `First result of a trivial script: ${TASKS} mini-batches of ten files, ${WORKERS} processes`,
      base: 'ours',
      asked: 'the first result in under 0.5 s',
      columns: [
        { key: 'first', head: 's to the first result', better: 'less' },
        { key: 'seconds', head: 's of the whole command' },
      ],
      cases: [
        { id: 'ours', name: 'ours', run: ours('tasks.py') },
        { id: 'ours-js', name: 'ours, script in JavaScript', run: ours('noop.mjs') },
        peer('pool-1', 'Pool.imap_unordered'),
        peer('executor', 'ProcessPoolExecutor.map'),
        peer('joblib', 'joblib'),
        peer('dask', 'Dask'),
        peer('ray', 'Ray tasks'),
        peer('ray-data-1', 'Ray Data'),
      ],
    },
  ];
}

/** SHA-256 of 20,000 files of 4 KiB, ten a mini-batch, two processes. */
import { smallFiles, timesOf } from './lib/data.mjs';
import { runOurs } from './lib/ours.mjs';
import { python, runPeer } from './lib/peers.mjs';

const WORKERS = 2;
const FILES = { normal: 20_000, quick: 2000 };
const env = { BENCH_WORK: JSON.stringify({ kind: 'hash' }) };

export async function sections({ quick, dist, limitSeconds }) {
  const files = quick ? FILES.quick : FILES.normal;
  const folder = smallFiles(files);
  const ours = async () => {
    const args = ['--input', folder, '--mini-batch-size', '10', '--processes', String(WORKERS)];
    const ran = await runOurs({ script: 'tasks.py', args, env, dist, limitSeconds, look: timesOf });
    return { perSecond: (files * 1000) / (ran.lastOutcome - ran.firstBegun), seconds: ran.seconds };
  };
  const peer = (id, name) => ({
    id,
    name,
    run: async () => {
      const setting = { peer: id, workers: WORKERS, tasks: files / 10, warm: WORKERS * 2, folder };
      const { inside, seconds } = await runPeer(python, 'peer.py', setting, { limitSeconds, env });
      return { perSecond: files / inside, seconds };
    },
  });
  return [
    {
      id: 'hash',
      title: `SHA-256 of ${files} files of 4 KiB, ten a mini-batch, ${WORKERS} processes`,
      base: 'ours',
      asked: 'at least as many files a second as Pool with the same ten a task, at least ten times Ray Data',
      columns: [
        { key: 'perSecond', head: 'files a second, without the start', better: 'more' },
        { key: 'seconds', head: 's of the whole command' },
      ],
      cases: [
        { id: 'ours', name: 'ours', run: ours },
        peer('bare', 'bare loop'),
        peer('pool-1', 'Pool.imap_unordered, chunk 1'),
        peer('ray-data-100', 'Ray Data, a hundred mini-batches a task'),
        peer('ray-data-1', 'Ray Data, one mini-batch a task'),
      ],
    },
  ];
}

import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PROCESS_HEADER, SYSTEM_HEADER } from '../../src/node/samples.ts';
import { withRig } from './with-rig.ts';

const SYSTEM = 'logs/performance/10.1.2.3/sys_resource_monitor_10.1.2.3.csv';

test.skipIf(!existsSync('/proc/self/stat'))(
  'samples of worker and machine at the period asked for, the first one soon',
  async () => {
    await withRig({ sampleMs: 200 }, async (rig) => {
      const worker = await rig.ready();
      const { pid } = await rig.event('worker-started');
      const file = `logs/performance/10.1.2.3/process_resource_monitor_10.1.2.3_${pid}.csv`;
      await rig.until(() => rig.logs.text(file) !== '', 'the first sample');
      expect(rig.logs.text(file).split('\n')).toHaveLength(3);
      rig.give(worker, { do: 'spin' });
      await rig.until(
        () => rig.logs.text(file).split('\n').length > 4 && rig.logs.text(SYSTEM).split('\n').length > 3,
        'samples',
      );
      const rows = rig.logs.text(file).trim().split('\n');
      expect(`${rows[0]}\n`).toBe(PROCESS_HEADER);
      for (const row of rows.slice(1))
        expect(row).toMatch(
          /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6},[^,]+,\d+\.\d,\d+\.\d\d,\d+\.\d\d,\d+\.\d,\d+\.\d\d,\d+,\d+,\d+\.\d\d,\d+\.\d\d,\d+,\d+$/,
        );
      expect(rig.logs.text(SYSTEM).startsWith(`${SYSTEM_HEADER}\n`)).toBe(true);
      expect(
        rig.logs
          .text(SYSTEM)
          .split('\n')
          .filter((row) => row.startsWith('Utc Time')),
      ).toHaveLength(1);
    });
  },
);

test('a short run has a sample of each, none where they are off', async () => {
  await withRig({ sampleMs: 60_000 }, async (rig) => {
    await rig.ready();
    await rig.stop();
    expect(rig.logs.paths().filter((path) => path.startsWith('logs/performance'))).toHaveLength(2);
  });
  await withRig({ sampleMs: 0 }, async (rig) => {
    await rig.ready();
    await rig.stop();
    expect(rig.logs.paths()).toEqual([]);
  });
});

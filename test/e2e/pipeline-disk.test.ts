/** A pipeline whose own journal can't be written. Skipped where strace isn't there. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLI, Workspace, processesOf, runCommand } from './rig.ts';
import type { Ended } from './rig.ts';

const HAVE_STRACE = spawnSync('strace', ['-f', '-qq', '-b', 'execve', '-o', '/dev/null', 'true']).status === 0;
const WRITES = 'write,writev,pwrite64,pwritev';
/** Its steps tell in a file that they ran; the second one lasts until the pipeline ends it, or the file `go` is there. */
const JOB = (folder: string): string => `type: pipeline
jobs:
  first: { type: command, command: "echo first >> ${folder}/ran", outputs: { o: { type: uri_folder } } }
  beside:
    type: command
    command: "echo beside >> ${folder}/ran; while [ ! -e ${folder}/go ]; do sleep 0.05; done"
  last:
    type: command
    command: "echo last >> ${folder}/ran"
    inputs: { o: "\${{parent.jobs.first.outputs.o}}" }
`;

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
  space.write('job.yml', JOB(space.folder));
});
afterEach(() => {
  space.dispose();
});

/** @param when number of the write to the journal that fails, as strace has it */
function failing(errno: string, when: string): Promise<Ended> {
  const journal = join(space.root, 'p/state/pipeline.journal');
  const inject = ['-P', journal, '-e', `trace=${WRITES}`, '-e', `inject=${WRITES}:error=${errno}:when=${when}`];
  const strace = ['-f', '-qq', '-b', 'execve', '-o', '/dev/null', ...inject];
  const args = [...strace, process.execPath, CLI, 'run', 'job.yml', '--name', 'p'];
  return runCommand('strace', args, space.folder, {
    ...{ PARALLELRUN_ROOT: space.root, NO_COLOR: '1' },
    // strace counts for each thread
    UV_THREADPOOL_SIZE: '1',
  });
}
const ran = (): string[] => readFileSync(join(space.folder, 'ran'), 'utf8').trimEnd().split('\n').sort();

describe.skipIf(!HAVE_STRACE)('the journal of a pipeline', () => {
  // written are: started, step started (first), step started (beside), step ended (first), ...
  it.each([1, 2, 3, 4])(
    'can no longer be written from line %d on: its steps are ended, it says what next, and goes on later',
    async (line) => {
      const { code, stdout, stderr } = await failing('EROFS', `${line}+`);
      expect([code, stdout]).toEqual([3, stdout]);
      expect(stderr).toMatch(/^error PR5112 .*pipeline p can no longer be recorded/);
      expect(stderr).toMatch(/where +.*p\/state\/pipeline\.journal\n +why +EROFS.*\n +next +.*parallelrun resume p\n/);
      expect(processesOf(space.root)).toEqual([]);
      space.write('go', '');
      const resumed = await space.cli('resume', 'p');
      expect([resumed.code, resumed.stderr]).toEqual([0, '']);
      expect([...new Set(ran())]).toEqual(['beside', 'first', 'last']);
      expect(ran().filter((step) => step === 'last')).toHaveLength(1);
    },
    60_000,
  );

  it('is waited for while the disk is full', async () => {
    space.write('go', '');
    const { code, stdout, stderr } = await failing('ENOSPC', '4');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/the disk is full, the pipeline waits for space\n[\s\S]*there is space again\n/);
    expect(ran()).toEqual(['beside', 'first', 'last']);
    const lines = readFileSync(join(space.root, 'p/state/pipeline.journal'), 'utf8').trimEnd().split('\n');
    const types = lines.map((line) => (JSON.parse(line) as { type: string }).type);
    expect(types.filter((type) => type === 'step-ended')).toHaveLength(3);
    expect(types.at(-1)).toBe('pipeline-ended');
  }, 60_000);
});

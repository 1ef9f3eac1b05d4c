/** Several mini-batches at once in one process: enqueue, get_finished_batch_result and their companions. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Workspace } from './rig.ts';

let space: Workspace;
beforeEach(() => {
  space = new Workspace();
});
afterEach(() => {
  space.dispose();
});

/** Works on each mini-batch for a while in a thread of its own; later ones are done sooner. */
const SCRIPT = `import os, threading, time
done, busy, most, lock = {}, set(), [0], threading.Lock()

def enqueue(batch, mini_batch_context):
    index = mini_batch_context.minibatch_index
    names = [os.path.basename(f) for f in batch]
    if "refuse" in names[0]:
        raise ValueError("not this one")
    with lock:
        busy.add(index)
        most[0] = max(most[0], len(busy))
    threading.Thread(target=work, args=(index, names, mini_batch_context), daemon=True).start()

def work(index, names, context):
    time.sleep(0.4 if index % 4 == 0 else 0.05)
    error = RuntimeError("no " + names[0]) if "bad" in names[0] else None
    if "die" in names[0] and context.try_number == 1:
        time.sleep(0.5)
        os._exit(7)
    with lock:
        done[index] = {"ret": names, "mini_batch_context": context, "exception": error}

def get_processing_batch_number():
    return len(busy)

def check_all_tasks_processed():
    return not busy

def get_finished_batch_result():
    with lock:
        given = dict(done)
        done.clear()
        busy.difference_update(given)
    return given

def shutdown():
    print("at most", most[0], "at once")
`;
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `f${String(i).padStart(2, '0')}`);

async function run(script: string, files: readonly string[], ...flags: readonly string[]) {
  space.write('score.py', script);
  space.files('in', Object.fromEntries(files.map((name) => [name, ''])));
  const fixed = ['run', '--entry-script', 'score.py', '--input', 'in', '--name', 'r', '--processes', '1'];
  const more = ['--mini-batch-size', '1', ...flags, '--', '--amlbi_async_mode', 'True'];
  return space.cli(...fixed, ...more);
}

describe('in-flight mode', () => {
  it('works on several at once; the rows stand in order, each once', async () => {
    const { code, stdout } = await run(SCRIPT, names(24));
    expect([code, stdout]).toEqual([0, stdout]);
    expect(space.rows('r')).toEqual(names(24));
    const printed = space.read('r', 'azureml-logs/70_driver_log.txt');
    expect(Number(/at most (\d+) at once/.exec(printed)?.[1])).toBeGreaterThan(3);
  });

  it('an exception of one, told or raised, is the failure of that one', async () => {
    const files = [...names(6), 'g_bad', 'h_refuse', 'i'];
    const { code, stdout } = await run(SCRIPT, files, '--max-retries', '0', '--isolate', 'false');
    expect(code).toBe(0);
    expect(space.rows('r')).toEqual([...names(6), 'i']);
    const errors = (await space.cli('errors', 'r')).stdout;
    expect(errors).toContain('RuntimeError: no g_bad');
    expect(errors).toContain('ValueError: not this one');
    expect(stdout).toContain('2 failed');
  });

  it('a death costs no row', async () => {
    const { code } = await run(SCRIPT, [...names(5), 'f_die', 'g', 'h']);
    expect(code).toBe(0);
    expect(space.rows('r')).toEqual([...names(5), 'f_die', 'g', 'h']);
  });

  it('a death names its culprit: those that were under way beside it lose no try', async () => {
    const script = SCRIPT.replace('if "die" in names[0] and context.try_number == 1', 'if "die" in names[0]');
    const files = [...names(5), 'f_die', 'g', 'h', 'i_die', 'j'];
    const { code, stdout } = await run(script, files, '--max-retries', '0', '--isolate', 'false');
    expect([code, stdout]).toEqual([0, expect.stringContaining('2 failed')]);
    expect(space.rows('r')).toEqual([...names(5), 'g', 'h', 'j']);
    const { stdout: told } = await space.cli('status', 'r', '--json');
    expect((JSON.parse(told) as { requeues: number }).requeues).toBeGreaterThan(0);
    expect(space.read('r', 'logs/master.txt')).toContain('several were under way');
  });

  it('a death within enqueue, each time and at once, comes to an end', async () => {
    const script = SCRIPT.replace('    if "refuse"', '    if "die" in names[0]:\n        os._exit(7)\n    if "refuse"');
    const { code } = await run(script, ['a', 'b_die', 'c'], '--max-retries', '1', '--isolate', 'false');
    expect(code).toBe(0);
    expect(space.rows('r')).toEqual(['a', 'c']);
  });

  it('one that never gives a result is ended by its time limit, or as soon as the script says it has all', async () => {
    const silent = SCRIPT.replace(
      'done[index] =',
      'done[index] if "bad" in names[0] else 0\n        if "bad" not in names[0]: done[index] =',
    );
    const hung = await run(silent, ['a', 'bad', 'c'], '--max-retries', '0', '--timeout', '1', '--isolate', 'false');
    expect(hung.code).toBe(0);
    expect(space.rows('r')).toEqual(['a', 'c']);
    expect((await space.cli('errors', 'r')).stdout).toContain('limit');
  });

  it('a script without these functions is told which are missing', async () => {
    const { code, stdout } = await run('def run(batch):\n    return batch\n', ['a']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/needs the functions enqueue, .*missing: enqueue, get_processing_batch_number/);
  });
});

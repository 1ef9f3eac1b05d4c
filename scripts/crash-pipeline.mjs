/**
 * The crash sweep of pipelines, a scenario of `crash-sweep.mjs`: two commands around a parallel step, killed at every
 * system call of the orchestrator that changes a file, and resumed to the same result. A command that has ended, or a
 * mini-batch that is committed, doesn't run again.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, itemName, processesBelow, Space } from './crash-lib.mjs';
import { killAt, record } from './strace-lib.mjs';

const COUNT = 4;
/** A command takes a while, so that calls fall into its life. */
const NOTE = `
import os, sys, time
def note(*names):
    with open(os.environ["SPACE"] + "/executions", "a") as f:
        f.write("".join(name + "\\n" for name in names))
`;
const CODE = {
  'note.py': NOTE,
  'prep.py': `
from note import *
note("prep")
print("begun", flush=True)
time.sleep(0.1)
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[2], name), "w") as f:
        f.write(name)
`,
  'score.py': `
from note import *
def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    note(*names)
    return [open(path).read() + " scored" for path in mini_batch]
`,
  'total.py': `
from note import *
note("total")
lines = open(sys.argv[1]).read().splitlines()
print(len(lines), "lines", flush=True)
with open(sys.argv[2], "w") as f:
    f.write("%d: %s\\n" % (len(lines), ", ".join(lines)))
`,
};
const JOB = `type: pipeline
inputs: { items: { type: uri_folder, path: ./in } }
outputs: { total: { type: uri_file } }
jobs:
  prep:
    type: command
    code: ./code
    command: python prep.py \${{inputs.items}} \${{outputs.files}}
    inputs: { items: "\${{parent.inputs.items}}" }
    outputs: { files: { type: uri_folder } }
  score:
    type: parallel
    mini_batch_size: 1
    max_concurrency_per_instance: 1
    inputs: { files: "\${{parent.jobs.prep.outputs.files}}" }
    outputs: { rows: { type: uri_file } }
    input_data: \${{inputs.files}}
    task: { code: ./code, entry_script: score.py, append_row_to: "\${{outputs.rows}}" }
  total:
    type: command
    code: ./code
    command: python total.py \${{inputs.rows}} \${{outputs.total}}
    inputs: { rows: "\${{parent.jobs.score.outputs.rows}}" }
    outputs: { total: "\${{parent.outputs.total}}" }
`;
const items = Array.from({ length: COUNT }, (_, i) => itemName(i));
const RESULT = `${COUNT}: ${items.map((name) => `${name} scored`).join(', ')}\n`;

class PipelineSpace extends Space {
  fresh() {
    super.fresh();
    writeFileSync(join(this.folder, 'job.yml'), JOB);
  }

  runArguments(name) {
    return ['run', 'job.yml', '--name', name];
  }

  /** Commands that have ended well, and items whose mini-batch is committed: none of them may run again. */
  done(name) {
    const journal = this.path(name, 'state/pipeline.journal');
    const lines = existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').slice(0, -1) : [];
    const events = lines.map((line) => JSON.parse(line));
    const ended = events
      .filter(({ type, state }) => type === 'step-ended' && state === 'Completed')
      .map(({ step }) => step);
    // a run of the step whose folder wasn't whole is begun anew under another name
    const run = events.findLast(({ type, step }) => type === 'step-started' && step === 'score')?.runId;
    const ledger = this.path(name, `steps/${run}/state/ledger.journal`);
    const settled = existsSync(ledger) ? check(['ledger', ledger]) : { ok: true, done: [] };
    if (!settled.ok) throw new Error(`ledger of the step: ${settled.why}`);
    return [...ended.filter((step) => step !== 'score'), ...settled.done.map(itemName)];
  }
}

/** @returns the points, and what strikes at one of them */
export async function pipelineSweep(settings) {
  const spaces = Array.from(
    { length: settings.lanes },
    (_, i) => new PipelineSpace(join(settings.folder, `pipeline${i}`), { cli: settings.cli, count: COUNT, code: CODE }),
  );
  const [first] = spaces;
  first.fresh();
  const { ended, points } = await record(first, first.runArguments('r'));
  if (ended.code !== 0) throw new Error(`the recorded pipeline ended with ${ended.code}:\n${ended.text}`);
  const why = wrongEnd(first, 'r');
  if (why !== undefined) throw new Error(`the undisturbed pipeline: ${why}`);
  return { spaces, points, strike };
}

/** One kill and what comes of it. @returns undefined where the point was not reached */
async function strike(space, point) {
  space.fresh();
  const killed = await space.run(space.runArguments('r'), killAt(space, point));
  if (killed.signal !== 'SIGKILL')
    return killed.code === 0 ? undefined : { why: `not killed, ended with ${killed.code}: ${killed.text}` };
  // a command goes on to its end without its orchestrator
  const goneMs = await space.gone();
  if (goneMs === undefined) return { why: 'processes left after the kill' };
  try {
    return { goneMs, ...(await recover(space)) };
  } catch (error) {
    return { goneMs, why: error.message };
  }
}

async function recover(space) {
  const done = space.done('r');
  const executed = space.executions().length;
  let name = 'r';
  let how = 'resumed';
  let ended = await space.run(['resume', 'r']);
  if (ended.code !== 0) {
    // the folder was no pipeline yet: nothing had begun, and resume must have said so
    if (!/PR5\d\d\d/.test(ended.text) || /PR5999/.test(ended.text))
      return { why: `resume, ${ended.code}: ${ended.text}` };
    if (executed > 0) return { why: `steps had begun, and resume refuses: ${ended.text}` };
    how = 'run again';
    ended = await space.run(space.runArguments('r'));
    if (ended.code !== 0) {
      if (!/PR5001/.test(ended.text)) return { why: `run again, ${ended.code}: ${ended.text}` };
      how = 'run under another name';
      name = 'r2';
      ended = await space.run(space.runArguments(name));
    }
  }
  if (ended.code !== 0) return { why: `${how}, ${ended.code}: ${ended.text}` };
  if (processesBelow(space.root).length > 0) return { why: 'processes left at the end' };
  const all = space.executions();
  const again = all.slice(executed);
  const repeated = done.filter((one) => again.includes(one));
  if (repeated.length > 0) return { why: `done, and run again: ${repeated.join(' ')}` };
  // one kill costs each of them one more run at most
  const often = [...new Set(all)].filter((one) => all.filter((other) => other === one).length > 2);
  if (often.length > 0) return { why: `run more than twice: ${often.join(' ')}` };
  return { how, repeated: all.length - new Set(all).size, why: wrongEnd(space, name) };
}

function wrongEnd(space, name) {
  const result = space.path(name, 'outputs/total');
  if (!existsSync(result)) return 'no result';
  if (readFileSync(result, 'utf8') !== RESULT) return `the result differs: ${readFileSync(result, 'utf8')}`;
  const missing = ['prep', ...items, 'total'].filter((one) => !space.executions().includes(one));
  if (missing.length > 0) return `never run: ${missing.join(' ')}`;
  return space.done(name).length === COUNT + 2 ? undefined : 'the journal lacks an end of a step';
}

/** What `run` and `resume` share for pipelines: followed to the end, a line for each thing that happens. */
import { dirname, resolve } from 'node:path';
import type { PipelineHandle } from '../../sdk/index.ts';
import { countsSentence } from '../../views/text/verdict.ts';
import { eventLine, pipelineEndLines } from '../../views/text/pipeline.ts';
import { counted, safeText } from '../../views/text/words.ts';
import type { CommandInput } from '../command.ts';
import { stepLines } from '../render/pipeline.ts';

const PROGRESS_MS = 10_000;

/** @returns the exit code of the pipeline */
export async function followPipeline(input: CommandInput, handle: PipelineHandle): Promise<number> {
  const { deps, console } = input;
  await console.problems(handle.warnings);
  console.say([
    `pipeline ${handle.runId}  (${counted(handle.plan.steps.length, 'step')})`,
    `logs     ${safeText(handle.folder)}/logs`,
  ]);
  handle.listen((event) => {
    void console.emit(event);
    if (event.type === 'pipeline-ended') return;
    const step = 'step' in event ? handle.status().steps.find(({ name }) => name === event.step) : undefined;
    const took = step?.endedAt === undefined ? undefined : (step.endedAt - (step.startedAt ?? step.endedAt)) / 1000;
    console.say(eventLine(event, took));
  });
  const stop = deps.timer(
    PROGRESS_MS,
    () => {
      for (const [name, step] of handle.running()) {
        const status = step.status?.();
        if (status) console.say(`${safeText(name)}: ${countsSentence(status)}`);
      }
    },
    'every',
  );
  try {
    const result = await handle.result();
    stop();
    const root = dirname(handle.folder);
    const isDefault = root === resolve(deps.cwd, deps.env['PARALLELRUN_ROOT'] || 'runs');
    const table = stepLines(result.status, false, console.screen(), deps.now());
    const [head, ...rest] = pipelineEndLines(result.status, isDefault ? undefined : root);
    const style = result.state === 'Completed' ? 'good' : 'error';
    console.say(['', ...table, '', ...rest, console.screen().paint(style, head ?? '')]);
    await console.emit({ type: 'pipeline-result', ...result });
    return result.exitCode;
  } finally {
    stop();
  }
}

/** Where the rows go. I/O: looks whether something is there already; creates nothing. */
import { constants } from 'node:fs';
import { access, lstat } from 'node:fs/promises';
import path from 'node:path';
import { runLayout } from '../domain/layout.ts';
import type { InputSpec, Origin, OutputFormat, OutputSpec } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { JobContext } from './context.ts';
import { wholeExpression } from './expressions.ts';
import { existingAncestor, isWithin } from './paths.ts';
import { compileRemoteOutputs, refuseForm, remoteTarget } from './remote-outputs.ts';
import { listed, onCommandLine } from './problems.ts';
import { checkResultName } from './result-name.ts';
import type { JobOutput } from './job-outputs.ts';
import { outputLocation } from './job-outputs.ts';
import { child, describeNode, isNull, textOf } from './written.ts';

export const RESULT_FILE_DEFAULT = 'parallel_run_step.txt';

export interface CompiledOutput {
  readonly output: OutputSpec;
  readonly outputFolder: string;
  readonly sideOutputs: Readonly<Record<string, string>>;
  readonly sideOutputFiles: readonly string[];
  readonly appendOrigin: Origin;
}

interface Target {
  readonly folder: string;
  readonly name: string;
  readonly at: SourceLocation;
}

export async function compileOutput(context: JobContext, inputs: readonly InputSpec[]): Promise<CompiledOutput> {
  const { settings, problems, job, request } = context;
  const node = child(child(job?.job, 'task'), 'append_row_to');
  const rowOutput = node === undefined || isNull(node) ? undefined : findRowOutput(context);
  const named = request.flags.appendRowTo;
  const summary = settings.summaryOnly.value === true;
  if (summary && named !== undefined) {
    problems.error('PR1012', '--append-row-to and --summary-only are both given', {
      where: onCommandLine('--append-row-to', named),
      why: 'with --summary-only there is no result file',
      next: 'remove one',
    });
  }
  const nowhere = job !== undefined && named === undefined && (node === undefined || isNull(node));
  const folder = outputFolder(context, rowOutput);
  const side = sideOutputs(context, summary || settings.output.value !== undefined ? undefined : rowOutput);
  const appendOrigin: Origin =
    named !== undefined || settings.summaryOnly.origin === 'command line'
      ? 'command line'
      : (node?.origin ?? 'default');
  if (summary || nowhere) {
    await checkFolder(folder, settings.output.at ?? { file: folder }, context);
    await compileRemoteOutputs(context, rowOutput, { folder, result: undefined, overwrite: false });
    return { output: { action: 'summary_only' }, outputFolder: folder, ...side, appendOrigin };
  }
  const isFile = rowOutput?.type === 'uri_file';
  const location = rowOutput === undefined ? undefined : locationOf(rowOutput, context);
  const inFolder = child(child(job?.job, 'task'), 'append_row_file_name');
  const written = inFolder?.kind === 'scalar' && !isNull(inFolder) ? inFolder : undefined;
  const name =
    named ?? (isFile && location !== undefined ? path.basename(location) : (written?.text ?? RESULT_FILE_DEFAULT));
  const at =
    named !== undefined
      ? onCommandLine('--append-row-to', named)
      : (settings.output.at ?? written?.at() ?? rowOutput?.path?.at() ?? rowOutput?.at() ?? { file: folder });
  const target = { folder, name, at };
  const overwrite = settings.overwrite.value === true;
  if (checkResultName(name, at, problems)) await checkTarget(target, overwrite, inputs, context);
  await compileRemoteOutputs(context, rowOutput, { folder, result: name, overwrite });
  return {
    output: { action: 'append_row', file: path.join(folder, name), format: formatOf(name), overwrite },
    outputFolder: folder,
    ...side,
    appendOrigin,
  };
}

function findRowOutput(context: JobContext): JobOutput | undefined {
  const { references, problems, job } = context;
  const node = child(child(job?.job, 'task'), 'append_row_to');
  if (node === undefined) return undefined;
  const whole = wholeExpression(textOf(node) ?? '');
  if (whole === undefined) {
    problems.error('PR1010', 'task.append_row_to does not name an output of the job', {
      where: node.at(),
      why: `found ${describeNode(node)}; allowed: an output of the job, as in \${{outputs.scores}}`,
    });
    return undefined;
  }
  const output = whole.startsWith('outputs.') ? references.outputs.get(whole.slice('outputs.'.length)) : undefined;
  const parent = whole.startsWith('parent.outputs.')
    ? references.parentOutputs.get(whole.slice('parent.outputs.'.length))
    : undefined;
  if (output === undefined && parent === undefined) {
    const known = [...references.outputs.keys()].map((name) => `outputs.${name}`);
    problems.error('PR1015', `\${{${whole}}} stands for nothing`, {
      where: node.at(),
      why: `known here: ${listed(known)}`,
      next: known[0] === undefined ? 'add an output to the job' : `for example \${{${known[0]}}}`,
    });
  }
  return output ?? parent;
}

const locationOf = (output: JobOutput, { dataBase, places }: JobContext): string =>
  outputLocation(output, dataBase, places);

function outputFolder(context: JobContext, rowOutput: JobOutput | undefined): string {
  const { settings, cwd, runFolder, places } = context;
  const written = settings.output.value;
  if (written !== undefined) {
    const place = places.placeOf(written === '' ? '.' : written, cwd, 'output');
    if (place.kind === 'local') return place.path;
    if (place.kind === 'remote') return remoteTarget(runFolder);
    refuseForm('the output folder', place, settings.output.at ?? onCommandLine('--output', written), context);
  } else if (rowOutput !== undefined) {
    checkForm(rowOutput, context);
    const location = locationOf(rowOutput, context);
    return rowOutput.type === 'uri_file' ? path.dirname(location) : location;
  }
  return runLayout(runFolder).outputs;
}

function checkForm(output: JobOutput, context: JobContext): void {
  const place = context.places.placeOf(output.path?.text ?? '', context.dataBase, 'output');
  if (place.kind !== 'local' && place.kind !== 'remote')
    refuseForm(`the output ${output.name}`, place, output.path?.at() ?? output.at(), context);
}

function sideOutputs(
  context: JobContext,
  rowOutput: JobOutput | undefined,
): Pick<CompiledOutput, 'sideOutputs' | 'sideOutputFiles'> {
  const others = [...context.references.outputs.values()].filter((output) => output !== rowOutput);
  for (const output of others) checkForm(output, context);
  return {
    sideOutputs: Object.fromEntries(others.map((output) => [output.name, locationOf(output, context)])),
    sideOutputFiles: others.filter((output) => output.type === 'uri_file').map((output) => output.name),
  };
}

const FORMATS: Readonly<Record<string, OutputFormat>> = { '.csv': 'csv', '.jsonl': 'jsonl', '.parquet': 'parquet' };

const formatOf = (name: string): OutputFormat => FORMATS[path.extname(name).toLowerCase()] ?? 'txt';

async function checkTarget(
  target: Target,
  overwrite: boolean,
  inputs: readonly InputSpec[],
  context: JobContext,
): Promise<void> {
  const { problems, runFolder } = context;
  const file = path.join(target.folder, target.name);
  const where = target.at;
  const own = runLayout(runFolder);
  if (isWithin(file, runFolder) && (!isWithin(file, own.outputs) || file === own.deadLetters)) {
    problems.error('PR5206', 'the result file would lie among the files of the run itself', {
      where,
      why: file,
      next: file === own.deadLetters ? 'choose another name' : 'leave --output out, or name a folder elsewhere',
    });
    return;
  }
  if (inputs.some((input) => input.select.by === 'one' && path.join(input.root, input.select.file) === file)) {
    problems.error('PR5206', 'the result file is the input itself', {
      where,
      why: file,
      next: 'name another folder with --output',
    });
    return;
  }
  if (inputs.some((input) => input.select.by === 'all' && input.root === target.folder)) {
    problems.warning('PR5208', 'the result file lies in the folder that is the input', {
      where,
      why: 'the next run would take it for an input',
      next: 'name another folder with --output',
    });
  }
  if (!(await checkFolder(target.folder, where, context))) return;
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isFile()) {
    const kind = found.isDirectory() ? 'a folder' : found.isSymbolicLink() ? 'a symbolic link' : 'no regular file';
    problems.error('PR5205', 'the result file cannot be written', {
      where,
      why: `${file} is ${kind}`,
      next: 'remove it, or choose another name',
    });
  } else if (!overwrite && !isWithin(file, runFolder)) {
    // In the run folder it is there because the run is: that has been said.
    problems.error('PR5204', 'the result file exists already', {
      where,
      why: file,
      next: 'move it away, or give --overwrite',
    });
  }
}

/** The folder need not be there, but must be possible. */
async function checkFolder(
  folder: string,
  where: SourceLocation,
  { problems, runFolder }: JobContext,
): Promise<boolean> {
  // The place of the run itself is checked with its root.
  if (isWithin(folder, runFolder)) return true;
  const found = await existingAncestor(folder);
  if (found.stats?.isDirectory() !== true) {
    problems.error('PR5205', 'the output folder cannot be used', {
      where,
      why: `${found.path} is a file, not a folder`,
      next: 'name another folder with --output',
    });
    return false;
  }
  const writable = await access(found.path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!writable)
    problems.error('PR5205', 'the output folder cannot be used', {
      where,
      why: `permission denied in ${found.path}`,
      next: 'name another folder with --output',
    });
  return writable;
}

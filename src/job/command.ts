/** A job of `type: command`: one line for the shell, run once. I/O: looks at the files it names. */
import type { CommandPlan } from '../domain/pipeline.ts';
import { runLayout } from '../domain/layout.ts';
import type { JobContext } from './context.ts';
import type { ResolvedPiece } from './expressions.ts';
import { resolveTemplate } from './expressions.ts';
import { outputLocation } from './job-outputs.ts';
import { look, toLocalPath } from './paths.ts';
import { compileRemoteOutputs } from './remote-outputs.ts';
import type { Problems } from './problems.ts';
import { checkSideInput } from './selection.ts';
import { parseDurationMs } from './values.ts';
import type { WrittenNode } from './written.ts';
import { child, describeNode, isNull, lookUp, textOf } from './written.ts';

type Parts = Pick<CommandPlan, 'command' | 'codeFolder' | 'timeoutMs' | 'outputs' | 'outputFiles' | 'outputFolder'>;

/** @returns undefined where it can't be run; reported */
export async function compileCommand(context: JobContext): Promise<Parts | undefined> {
  const { job, problems, references, dataBase, runFolder, places } = context;
  const command = commandOf(child(job?.job, 'command'), context);
  const codeFolder = await codeOf(child(job?.job, 'code'), context);
  const timeoutMs = timeoutOf(lookUp(job?.job, 'limits.timeout'), problems);
  for (const input of references.inputs.values()) {
    if (input.kind !== 'data' || input.pending === true) continue;
    await checkSideInput(
      { name: input.name, text: input.path, type: input.type, base: dataBase, at: input.node.at() },
      places,
      problems,
    );
  }
  await compileRemoteOutputs(context, undefined, {
    folder: runLayout(runFolder).outputs,
    result: undefined,
    overwrite: false,
  });
  if (command === undefined) return undefined;
  const outputs = [...references.outputs.values()];
  return {
    command,
    ...(codeFolder !== undefined && { codeFolder }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    outputs: Object.fromEntries(outputs.map((output) => [output.name, outputLocation(output, dataBase, places)])),
    outputFiles: outputs.filter((output) => output.type === 'uri_file').map((output) => output.name),
    outputFolder: runLayout(runFolder).outputs,
  };
}

function commandOf(node: WrittenNode | undefined, { job, problems, references }: JobContext): string | undefined {
  if (node?.kind === 'scalar' && typeof node.value === 'string' && node.value.trim() !== '')
    return forShell(resolveTemplate(node.text, references.names, node.locate, problems)).trim();
  problems.error('PR1033', `the job ${job?.stepName ?? ''} has no command`, {
    where: (node ?? job?.job)?.at() ?? { file: '' },
    why: node === undefined || isNull(node) ? 'command is missing' : `found ${describeNode(node)}; allowed: a text`,
    next: 'add command: with the line to run, as in python prep.py --out ${{outputs.data}}',
  });
  return undefined;
}

/**
 * Values stand in the line as they are, as its writer expects (a literal may hold several arguments); only paths with
 * characters that the shell would take apart are quoted.
 */
function forShell(pieces: readonly ResolvedPiece[]): string {
  let quote = '';
  return pieces
    .map(({ text, fixed }) => {
      if (!fixed) quote = quoteAfter(text, quote);
      if (!fixed || !text.startsWith('/') || /^[\w@%+=:,./-]*$/.test(text)) return text;
      if (quote === "'") return text.replaceAll("'", `'\\''`);
      return quote === '"' ? text.replaceAll(/["\\$`]/g, '\\$&') : `'${text.replaceAll("'", `'\\''`)}'`;
    })
    .join('');
}

/** The quote that is open behind a text. */
function quoteAfter(text: string, open: string): string {
  let quote = open;
  for (let i = 0; i < text.length; i++) {
    const one = text.charAt(i);
    if (one === '\\' && quote !== "'") i++;
    else if (quote === '' && (one === '"' || one === "'")) quote = one;
    else if (one === quote) quote = '';
  }
  return quote;
}

async function codeOf(node: WrittenNode | undefined, context: JobContext): Promise<string | undefined> {
  if (node === undefined || isNull(node)) return undefined;
  const { problems, base } = context;
  const text = textOf(node);
  const local = text === undefined ? undefined : toLocalPath(text, base);
  const found = local?.ok === true ? await look(local.value) : undefined;
  if (local?.ok === true && found?.ok === true && found.value.isDirectory()) return local.value;
  problems.error('PR2007', `the code folder ${text ?? ''} cannot be used`, {
    where: node.at(),
    why:
      local?.ok !== true
        ? `found ${describeNode(node)}; allowed: a local folder`
        : `${local.value}: ${found?.ok === false ? found.error : 'it is a file, not a folder'}`,
  });
  return undefined;
}

function timeoutOf(node: WrittenNode | undefined, problems: Problems): number | undefined {
  if (node === undefined || isNull(node)) return undefined;
  const ms = node.kind === 'scalar' ? parseDurationMs(node.value) : undefined;
  if (ms !== undefined && ms > 0) return ms;
  problems.error('PR1011', 'limits.timeout is not a possible time', {
    where: node.at(),
    why: `found ${describeNode(node)}; allowed: seconds, or a time such as 5m, above 0`,
  });
  return undefined;
}

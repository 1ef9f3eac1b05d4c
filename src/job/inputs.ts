/** Which inputs are split, which are side inputs, and how the split ones are cut. */
import type { Cutting, InputSpec, Origin } from '../domain/plan.ts';
import { redact } from '../domain/redact.ts';
import type { JobContext } from './context.ts';
import type { SeenPath } from './table-format.ts';
import { cutInputs } from './cutting.ts';
import { similarName, wholeExpression } from './expressions.ts';
import { fittingSteps } from './mltable-steps.ts';
import { entriesIn } from './paths.ts';
import { queryOn, wantedQuery } from './queries.ts';
import { listed, onCommandLine } from './problems.ts';
import type { Partition } from './partition.ts';
import type { JobInput } from './references.ts';
import type { SplitPath } from './selection.ts';
import { checkSideInput, selectFiles } from './selection.ts';
import type { WrittenNode } from './written.ts';
import { child, describeNode, textOf } from './written.ts';

export interface CompiledInputs {
  readonly inputs: readonly InputSpec[];
  readonly cutting: Cutting;
  /** As written, for people. */
  readonly written: readonly string[];
  readonly origin: Origin;
  readonly sizeOrigin: Origin;
  readonly rowsOrigin: Origin;
}

export async function compileInputs(context: JobContext, partition: Partition): Promise<CompiledInputs> {
  const { settings, problems, places } = context;
  const ranks = settings.rankMiniBatchCount.value ?? 0;
  const split: Split = ranks > 0 ? { paths: [], origin: 'default', names: [] } : findSplit(context);
  await checkSideInputs(context, split.names);
  const wanted = await wantedQuery(context);
  // what another step makes is looked at once it is there
  if (split.pending === true)
    return {
      inputs: [],
      cutting: { by: 'files', files: 1 },
      written: split.paths.map((path) => path.text),
      ...DEFAULTS,
    };
  const seen: SeenPath[] = [];
  for (const path of split.paths) {
    const selected = await selectFiles(path, places, problems);
    if (selected === undefined) continue;
    const here = selected.names === undefined && selected.select.by === 'all';
    const entries = here ? await entriesIn(selected.root) : [];
    const query = wanted && (await queryOn(selected, wanted, problems));
    if (wanted && !query) continue;
    seen.push({
      ...selected,
      names: selected.names ?? entries.filter((entry) => !entry.isFolder).map((entry) => entry.name),
      ...(query && { query }),
    });
  }
  const written = split.paths.map((path) => redact(path.text));
  if (ranks > 0)
    return {
      inputs: [],
      cutting: { by: 'rank', count: ranks },
      written,
      ...DEFAULTS,
    };
  const cut = cutInputs(seen, settings, problems, partition.cutting);
  const steps = context.table ? fittingSteps(context.table.steps, cut, problems) : [];
  const inputs = cut.inputs.map((input): InputSpec => {
    const origin = places.originOf(input.root);
    const placed = origin === undefined ? input : { ...input, origin };
    return placed.kind === 'table' && steps.length > 0 ? { ...placed, steps } : placed;
  });
  return { ...cut, inputs, written, origin: split.origin };
}

const DEFAULTS = { origin: 'default', sizeOrigin: 'default', rowsOrigin: 'default' } as const;
/** Where each input is that is data, the split ones too: what `Run.input_datasets` of a script knows. */
export function dataInputs(
  { references, dataBase, places }: JobContext,
  split: readonly InputSpec[],
): Readonly<Record<string, string>> {
  const paths = new Map<string, string>();
  for (const [name, input] of references.inputs) {
    const place = input.kind === 'data' ? places.placeOf(input.path, dataBase) : undefined;
    if (place?.kind === 'local') paths.set(name, place.path);
    if (place?.kind === 'remote')
      paths.set(
        name,
        places.localOf(place.location, input.kind === 'data' && input.type === 'uri_file' ? 'file' : 'folder'),
      );
  }
  for (const { name, root, select } of split) paths.set(name, select.by === 'one' ? `${root}/${select.file}` : root);
  return Object.fromEntries(paths);
}

interface Split {
  readonly paths: readonly SplitPath[];
  readonly origin: Origin;
  /** Names of the job's inputs, where they are some. */
  readonly names: readonly string[];
  readonly pending?: boolean;
}

function findSplit(context: JobContext): Split {
  const { request, problems, job, cwd } = context;
  const node = child(job?.job, 'input_data');
  const names = splitNames(node);
  const written = request.flags.input;
  if (written !== undefined) {
    const texts = typeof written === 'string' ? [written] : written;
    if (texts.length === 0 || texts.includes(''))
      problems.error('PR1009', 'no input is given', {
        where: onCommandLine('--input', ''),
        next: 'name a folder, a file or a pattern',
      });
    const base = names[0] ?? 'input';
    const paths = texts
      .filter((text) => text !== '')
      .map((text, i) => ({
        name: i === 0 ? base : `${base}_${i + 1}`,
        text,
        type: undefined,
        base: cwd,
        at: onCommandLine('--input', text),
      }));
    return { paths, origin: 'command line', names };
  }
  if (node === undefined) {
    const where = job === undefined ? onCommandLine('--input') : job.job.at();
    const next =
      job === undefined
        ? 'add --input PATH'
        : `add input_data: \${{inputs.<name>}}, or --input PATH${hintOfInputs(context)}`;
    problems.error('PR1009', 'no input is given', { where, next });
    return { paths: [], origin: 'default', names: [] };
  }
  if (node.kind !== 'list') return fromJob(node, context);
  const each = node.items.map((item) => fromJob(item, context));
  const paths = each.flatMap((one) => one.paths);
  return { paths, origin: node.origin, names, pending: each.some((one) => one.pending === true) };
}

/** Of one input, or of a list of them. */
function splitNames(node: WrittenNode | undefined): readonly string[] {
  const nodes = node?.kind === 'list' ? node.items : [node];
  return nodes.flatMap((each) => splitName(textOf(each)) ?? []);
}

/** `x` of `${{inputs.x}}`. */
function splitName(text: string | undefined): string | undefined {
  const whole = text === undefined ? undefined : wholeExpression(text);
  return whole?.startsWith('inputs.') === true ? whole.slice('inputs.'.length) : undefined;
}

function fromJob(node: WrittenNode, context: JobContext): Split {
  const { problems, references, dataBase: base } = context;
  const none: Split = { paths: [], origin: node.origin, names: splitNames(node) };
  const whole = wholeExpression(textOf(node) ?? '');
  const input = whole === undefined ? undefined : inputCalled(whole, context);
  if (input === undefined) {
    const known = [...references.inputs.keys()]
      .map((name) => `inputs.${name}`)
      .concat([...references.parentInputs.keys()].map((name) => `parent.inputs.${name}`));
    const meant = whole === undefined ? undefined : similarName(whole, known);
    const code = whole === undefined ? 'PR1010' : 'PR1015';
    problems.error(
      code,
      whole === undefined ? 'input_data does not name an input of the job' : `\${{${whole}}} stands for nothing`,
      {
        where: node.at(),
        why:
          whole === undefined
            ? `found ${describeNode(node)}; allowed: an input of the job, as in \${{inputs.images}}`
            : `known here: ${listed(known)}`,
        ...(meant === undefined ? {} : { next: `did you mean \${{${meant}}}?` }),
      },
    );
    return none;
  }
  if (input.kind === 'broken') return none;
  if (context.table) return { ...none, paths: context.table.paths };
  // what is wrong with it has been told
  if (input.kind === 'data' && input.type === 'mltable' && input.pending !== true) return none;
  if (input.kind === 'data') {
    const path = { name: input.name, text: input.path, type: input.type, base, at: input.node.at() };
    return { ...none, paths: [path], pending: input.pending === true };
  }
  problems.error('PR1010', `input_data names ${input.name}, which is no data`, {
    where: node.at(),
    why:
      input.kind === 'absent'
        ? 'it is optional, and no path is given'
        : `found ${describeNode(input.node)}; allowed: an input with type and path`,
  });
  return none;
}

function inputCalled(expression: string, { references }: JobContext): JobInput | undefined {
  if (expression.startsWith('inputs.')) return references.inputs.get(expression.slice('inputs.'.length));
  return expression.startsWith('parent.inputs.')
    ? references.parentInputs.get(expression.slice('parent.inputs.'.length))
    : undefined;
}

function hintOfInputs({ references }: JobContext): string {
  const data = [...references.inputs.values()].filter((input) => input.kind === 'data').map((input) => input.name);
  return data.length === 0 ? '' : `; inputs of this job: ${listed(data)}`;
}

async function checkSideInputs(
  { references, problems, dataBase: base, places }: JobContext,
  splitInputs: readonly string[],
): Promise<void> {
  for (const input of references.inputs.values()) {
    if (input.kind !== 'data' || splitInputs.includes(input.name) || input.pending === true) continue;
    const side = { name: input.name, text: input.path, type: input.type, base, at: input.node.at() };
    await checkSideInput(side, places, problems);
  }
}

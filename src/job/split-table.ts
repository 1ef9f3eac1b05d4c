/** The split input of a job, as far as the settings depend on it. */
import { wholeExpression } from './expressions.ts';
import type { JobContext } from './context.ts';
import { readMlTable } from './mltable.ts';
import type { MlTable } from './mltable.ts';
import type { ParallelJob } from './pipeline.ts';
import type { Places } from './places.ts';
import type { Problems } from './problems.ts';
import type { JobRequest } from './request.ts';
import { child, isNull, scalarFrom, textOf } from './written.ts';

export const hasKeys = (job: ParallelJob | undefined, { flags }: JobRequest): boolean =>
  flags.partitionKeys !== undefined || !isNull(child(job?.job, 'partition_keys') ?? NOTHING);
const NOTHING = scalarFrom(null, 'default', { file: '' });

/** Of a split input of type `mltable`. */
export async function splitTable(
  job: ParallelJob | undefined,
  { flags }: JobRequest,
  references: JobContext['references'],
  base: string,
  places: Places,
  problems: Problems,
): Promise<MlTable | undefined> {
  const whole = flags.input === undefined ? wholeExpression(textOf(child(job?.job, 'input_data')) ?? '') : undefined;
  const [inputs, prefix] = whole?.startsWith('parent.') === true ? [references.parentInputs, 'parent.inputs.'] : [references.inputs, 'inputs.']; // prettier-ignore
  const input = whole?.startsWith(prefix) === true ? inputs.get(whole.slice(prefix.length)) : undefined;
  if (input?.kind !== 'data' || input.type !== 'mltable' || input.pending === true) return undefined;
  const { name, type, node } = input;
  return readMlTable({ name, text: input.path, type, base, at: node.at() }, places, problems);
}

/** Name of the split input, where the command line says what it is. */
export function givenInput(job: ParallelJob | undefined, { flags }: JobRequest): { readonly given?: string } {
  const whole = wholeExpression(textOf(child(job?.job, 'input_data')) ?? '');
  const name = whole?.startsWith('inputs.') === true ? whole.slice('inputs.'.length) : undefined;
  return flags.input === undefined || name === undefined ? {} : { given: name };
}

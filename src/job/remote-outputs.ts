/** Outputs that go elsewhere: written below the run folder, uploaded at the end. I/O: asks whether something is there. */
import path from 'node:path';
import { runLayout } from '../domain/layout.ts';
import type { SourceLocation } from '../domain/problem.ts';
import { joinUrl, parseLocation } from '../remote/location.ts';
import type { JobContext } from './context.ts';
import type { JobOutput } from './job-outputs.ts';
import { outputLocation } from './job-outputs.ts';
import type { Place } from './places.ts';
import { onCommandLine } from './problems.ts';

/** Where `--output` is written first, where it goes elsewhere. */
export const remoteTarget = (runFolder: string): string => path.join(runLayout(runFolder).outputs, 'output');

export function refuseForm(
  subject: string,
  place: Place & { kind: 'unknown' | 'refused' },
  where: SourceLocation,
  { problems }: JobContext,
): void {
  if (place.kind === 'refused') {
    const { code, what, ...more } = place.problem;
    problems.error(code, `${subject}: ${what}`, { where, ...more });
    return;
  }
  problems.error('PR5207', `${subject} is no path that is known here`, {
    where,
    why: `found the form ${place.scheme}:...; allowed: paths on this machine, and URLs of Blob storage, S3 and datastores`,
    next: 'name a folder with --output',
  });
}

interface Result {
  /** Of the rows, local. */
  readonly folder: string;
  /** Name of the result file; undefined: there is none. */
  readonly result: string | undefined;
  readonly overwrite: boolean;
}

/** All outputs of the job that go elsewhere; the one of the rows is looked at. */
export async function compileRemoteOutputs(
  context: JobContext,
  rowOutput: JobOutput | undefined,
  result: Result,
): Promise<void> {
  const { settings, cwd, dataBase: base, runFolder, places, references } = context;
  const flag = settings.output.value;
  if (flag !== undefined && flag !== '') {
    const place = places.placeOf(flag, cwd, 'output');
    const at = settings.output.at ?? onCommandLine('--output', flag);
    if (place.kind === 'remote') await add('output', 'folder', remoteTarget(runFolder), place, at, result, context);
  }
  const outputs = new Set(references.outputs.values());
  if (rowOutput !== undefined) outputs.add(rowOutput);
  for (const output of outputs) {
    const place = places.placeOf(output.path?.text ?? '', base, 'output');
    // With --output its rows go there.
    if (place.kind !== 'remote' || (output === rowOutput && flag !== undefined)) continue;
    const local = outputLocation(output, base, places);
    const kind = output.type === 'uri_file' ? 'file' : 'folder';
    const rows = output === rowOutput ? result : { ...result, result: undefined };
    await add(output.name, kind, local, place, output.path?.at() ?? output.at(), rows, context);
  }
}

async function add(
  name: string,
  kind: 'file' | 'folder',
  local: string,
  place: Place & { kind: 'remote' },
  where: SourceLocation,
  { result, overwrite }: Result,
  { places, problems, env, settings }: JobContext,
): Promise<void> {
  const { location } = place;
  if (location.store === 'http') {
    problems.error('PR5207', `the output ${name} cannot be written by https`, {
      where,
      why: `${location.url} is neither Blob storage nor S3`,
      next: 'name a folder here, or a URL of Blob storage or S3',
    });
    return;
  }
  const settled = { name, url: location.url, kind, local, overwrite: settings.overwrite.value === true };
  places.addOutput(settled, place);
  if (result === undefined || overwrite) return;
  const target = kind === 'file' ? location : below(place, result, env);
  const taken = await places.isTaken(target);
  if (taken === true)
    problems.error('PR3611', 'the result exists already', {
      where,
      why: target.url,
      next: 'move it away, or give --overwrite',
    });
  else if (taken !== false)
    problems.error(taken.code, `the output ${name} cannot be used: ${taken.what}`, {
      where,
      ...(taken.why !== undefined && { why: taken.why }),
      ...(taken.next !== undefined && { next: taken.next }),
    });
}

/** The object of a file in the folder. */
function below({ location, written }: Place & { kind: 'remote' }, file: string, env: JobContext['env']) {
  const found = parseLocation(joinUrl(written, file), env);
  return found.ok ? found.value : location;
}

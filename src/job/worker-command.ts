/** The command of the profile that starts workers, for example inside a container. Pure. */
import { nearest } from '../domain/nearest.ts';
import type { EntryScript, WorkerCommand } from '../domain/plan.ts';
import type { JobContext } from './context.ts';
import type { CompiledEnvironment } from './environment.ts';
import { listed } from './problems.ts';

/** What is filled in when a run is prepared; `{image}` already here. */
export const RUN_PLACEHOLDERS = ['run', 'root', 'code', 'host', 'environment'] as const;
const NAMES: readonly string[] = ['image', ...RUN_PLACEHOLDERS];
/** `{name}`; doubled braces are plain ones. */
export const PLACEHOLDER = /\{\{|\}\}|\{([A-Za-z_]*)\}/g;

export function compileWorkerCommand(
  { profile, problems }: JobContext,
  { image, imageAt, spec }: CompiledEnvironment,
  entry: EntryScript | undefined,
): WorkerCommand | undefined {
  const command = profile?.workerCommand;
  if (command === undefined) {
    if (image !== undefined)
      problems.warning('PR4106', 'the image of the environment is not run', {
        ...(imageAt && { where: imageAt }),
        why: 'workers run on this machine, in an environment built from conda_file or requirements',
        next: 'worker_command of a profile starts workers in a container: docs/environments.md',
      });
    if (profile?.workerPython !== undefined)
      problems.warning('PR1018', 'worker_python has no effect', {
        where: profile.workerPython.at,
        why: 'it is the interpreter behind worker_command, and there is none',
      });
    return undefined;
  }
  const used = new Set(
    command.value.flatMap((word) => [...word.matchAll(PLACEHOLDER)].flatMap(([, name]) => name ?? [])),
  );
  for (const name of used) {
    if (NAMES.includes(name)) continue;
    const meant = nearest(name, NAMES);
    problems.error('PR1011', `worker_command has a placeholder that is not known: {${name}}`, {
      where: command.at,
      why: `allowed: ${listed(NAMES.map((known) => `{${known}}`))}; {{ and }} are plain braces`,
      ...(meant === undefined ? {} : { next: `did you mean {${meant}}?` }),
    });
  }
  if (used.has('image') && (image ?? '') === '') {
    // A profile is for many jobs, and not each of them needs a container.
    problems.warning('PR4112', 'workers are started without worker_command', {
      where: command.at,
      why: `it names {image}, and ${image === undefined ? 'the job has no image' : 'the image of the job would have to be built first'}`,
      next: 'give the job an image (environment.image), or environments of the profile one for the name of its environment',
    });
    return undefined;
  }
  const python = entry?.language === 'node' ? undefined : profile?.workerPython;
  if (python !== undefined && spec.kind === 'requirements')
    problems.warning('PR4107', 'the requirements are not installed', {
      where: python.at,
      why: `worker_python names the interpreter behind worker_command; ${spec.source} is not read`,
    });
  return {
    words: command.value.map((word) =>
      word.replace(PLACEHOLDER, (whole, name: string | undefined) => (name === 'image' ? (image ?? '') : whole)),
    ),
    ...(python === undefined ? {} : { python: python.value }),
  };
}

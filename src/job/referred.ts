/** Files that a job file refers to: components, and in version 1 configurations. Each is read once, and kept. I/O. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { look, toLocalPath } from './paths.ts';
import type { FilesOfStep, FilesOfSteps } from './pipeline-v1.ts';
import { isPipelineV1, stepsOf } from './pipeline-v1.ts';
import type { Problems } from './problems.ts';
import { reasonOf } from './problems.ts';
import { readYaml, YAML_BYTES_MAX } from './read-yaml.ts';
import { slashes } from './steps-v1.ts';
import type { WrittenMap, WrittenNode } from './written.ts';
import { child, describeNode, textOf } from './written.ts';

export interface Referring {
  /** Of the job file. */
  readonly folder: string;
  /** Absolute path to text: of files as they were, and of those that are read. */
  readonly texts: Record<string, string>;
}

/** Words of the messages. */
export interface Referred {
  /** "the component". */
  readonly what: string;
  readonly of: string;
  /** Completes "allowed: the path of ". */
  readonly allowed: string;
  /** What its file must hold. */
  readonly holds: string;
  /** Where it is none. */
  readonly next: string;
}

/** @returns the tree and the folder of the file; undefined where it can't be used, reported */
export async function readReferred(
  node: WrittenNode,
  words: Referred,
  { folder, texts }: Referring,
  problems: Problems,
): Promise<{ readonly tree: WrittenMap; readonly folder: string } | undefined> {
  const written = textOf(node)?.replace(/^file:(?!\/)/, '');
  const local = written === undefined || written === '' ? undefined : toLocalPath(written, folder);
  if (local?.ok !== true || written === undefined) {
    problems.error('PR1030', `${words.what} of ${words.of} is not a local file`, {
      where: node.at(),
      why: `found ${written ?? describeNode(node)}; allowed: the path of ${words.allowed}`,
      next: words.next,
    });
    return undefined;
  }
  const text = texts[local.value] ?? (await readText(local.value, written, words.what, node, problems));
  if (text !== undefined) texts[local.value] = text;
  const tree = text === undefined ? undefined : readYaml(text, shownPath(node.at().file, written), problems);
  if (tree === undefined) return undefined;
  if (tree.kind === 'map') return { tree, folder: path.dirname(local.value) };
  problems.error('PR1030', `${written} is not ${words.what.replace(/^the /, 'a ')}`, {
    where: tree.at(),
    why: `found ${describeNode(tree)}; allowed: ${words.holds}`,
  });
  return undefined;
}

async function readText(
  file: string,
  shown: string,
  what: string,
  node: WrittenNode,
  problems: Problems,
): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size > YAML_BYTES_MAX) throw new Error(`it has ${size} bytes; allowed: ${YAML_BYTES_MAX}`);
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    problems.error('PR1030', `${what} ${shown} cannot be read`, {
      where: node.at(),
      why: `${file}: ${reasonOf(error)}`,
      next: 'check the path; it counts from the folder of the job file',
    });
    return undefined;
  }
}

/** Beside the path of the job file as the user wrote it. */
function shownPath(jobFile: string, referred: string): string {
  return path.isAbsolute(referred) || jobFile === 'command line'
    ? referred
    : path.join(path.dirname(jobFile), referred);
}

/** What is read for the steps of a pipeline of version 1. */
export interface StepFiles {
  readonly files: FilesOfSteps;
  /** By step: folder from which the paths of its code and environment count, where it isn't that of the job file. */
  readonly codeBases: ReadonlyMap<string, string>;
}

export async function readStepFiles(root: WrittenNode, referring: Referring, problems: Problems): Promise<StepFiles> {
  const files = new Map<string, FilesOfStep>();
  const codeBases = new Map<string, string>();
  for (const { key, value } of isPipelineV1(root) ? stepsOf(root) : []) {
    const read = async (name: string) => {
      const node = child(value, name);
      const text = textOf(node);
      if (node?.kind !== 'scalar' || text === undefined) return undefined;
      return readReferred({ ...node, value: slashes(text) }, wordsFor(name, key), referring, problems);
    };
    const config = textOf(child(value, 'type')) === 'ParallelRunStep' ? await read('parallel_run_config') : undefined;
    const runconfig = textOf(child(value, 'type')) === 'PythonScriptStep' ? await read('runconfig') : undefined;
    files.set(key, { ...(config && { config: config.tree }), ...(runconfig && { runconfig: runconfig.tree }) });
    const base = config && (await codeBase(value, config, referring.folder));
    if (base !== undefined) codeBases.set(key, base);
  }
  return { files, codeBases };
}

const wordsFor = (name: string, of: string): Referred => ({
  what: `the ${name}`,
  of,
  allowed: 'a YAML file',
  holds: 'a map',
  next: `name a file on this machine`,
});

/**
 * Nothing says from where the paths in a configuration count; people kept its script beside it, or beside the pipeline.
 * Its own folder counts where the code is there, else that of the pipeline.
 */
async function codeBase(
  step: WrittenNode,
  { tree, folder }: { readonly tree: WrittenMap; readonly folder: string },
  pipelineFolder: string,
): Promise<string | undefined> {
  const config = child(tree, 'parallel_run_config') ?? tree;
  const own = textOf(child(config, 'source_directory')) ?? textOf(child(config, 'entry_script'));
  if (child(step, 'source_directory') !== undefined || own === undefined || folder === pipelineFolder) return undefined;
  const here = toLocalPath(slashes(own), folder);
  return here.ok && (await look(here.value)).ok ? folder : undefined;
}

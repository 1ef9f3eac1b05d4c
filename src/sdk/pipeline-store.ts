/** The folder of a pipeline: its plan, the journal of what happened, the job file and components as they were. */
import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { runLayout } from '../domain/layout.ts';
import { PIPELINE_FORMAT } from '../domain/pipeline.ts';
import type { PipelineEvent, PipelinePlan } from '../domain/pipeline.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { redact } from '../domain/redact.ts';
import type { JobRequest } from '../job/request.ts';
import { stepsFolder } from '../job/index.ts';
import { Patience } from '../orchestrator/patience.ts';
import { notCreated } from './folder.ts';
import { replace } from './resume-store.ts';

/** What was asked for, to be asked for again when the pipeline goes on. */
export type StoredRequest = Pick<JobRequest, 'set' | 'flags' | 'cwd' | 'config'>;

export interface PipelineLayout {
  readonly folder: string;
  readonly state: string;
  readonly plan: string;
  readonly request: string;
  readonly journal: string;
  readonly jobFile: string;
  /** Texts of the components by their path. */
  readonly components: string;
  readonly cancelRequest: string;
  readonly logs: string;
  readonly overview: string;
  readonly outputs: string;
  readonly steps: string;
}

export function pipelineLayout(folder: string): PipelineLayout {
  const { state, jobFile, cancelRequest, logs, overview, outputs } = runLayout(folder);
  return {
    folder,
    state,
    jobFile,
    cancelRequest,
    logs,
    overview,
    outputs,
    plan: `${state}/pipeline.json`,
    request: `${state}/request.json`,
    journal: `${state}/pipeline.journal`,
    components: `${state}/components.json`,
    steps: stepsFolder(folder),
  };
}

/** Texts of the job file and, by absolute path, of its components. */
export interface Definition {
  readonly jobText: string;
  readonly components: Readonly<Record<string, string>>;
}

/** As it may stand on a disk: without signatures in URLs. */
export function withoutSecrets({ jobText, components }: Definition): Definition {
  const texts = Object.entries(components).map(([file, text]) => [file, redact(text)] as const);
  return { jobText: redact(jobText), components: Object.fromEntries(texts) };
}

export async function storeDefinition(layout: PipelineLayout, definition: Definition): Promise<void> {
  const { jobText, components } = withoutSecrets(definition);
  await replace(layout.jobFile, jobText);
  await replace(layout.components, JSON.stringify(components, undefined, 2));
}

export async function readDefinition(layout: PipelineLayout): Promise<Definition> {
  const [jobText, components] = await Promise.all([layout.jobFile, layout.components].map((file) => readFile(file, 'utf8'))) as [string, string]; // prettier-ignore
  return { jobText, components: JSON.parse(components) as Record<string, string> };
}

/** @throws ParallelRunError PR5001 where the folder exists or can't be made */
export async function createPipelineFolder(
  plan: PipelinePlan,
  request: StoredRequest,
  definition: Definition,
): Promise<PipelineLayout> {
  const layout = pipelineLayout(plan.runFolder);
  let mine = false;
  try {
    await mkdir(dirname(layout.folder), { recursive: true });
    await mkdir(layout.folder);
    mine = true;
    await mkdir(layout.state, { mode: 0o700 });
    await chmod(layout.state, 0o700);
    for (const folder of [layout.logs, layout.outputs, layout.steps]) await mkdir(folder);
    const { set } = request;
    const stored = { ...request, ...(set && { set: set.map(redact) }) };
    await replace(layout.request, JSON.stringify(stored, undefined, 2));
    await storeDefinition(layout, definition);
    await writeFile(layout.overview, '');
    // last: with it the folder is a pipeline
    await replace(layout.plan, JSON.stringify(plan, undefined, 2));
    return layout;
  } catch (error) {
    if (mine) await rm(layout.folder, { recursive: true, force: true });
    throw notCreated(error, plan, mine, 'pipeline', 'name a folder that can be written with --root');
  }
}

/** @throws where it isn't there, or is none of ours */
export async function readPipelinePlan(folder: string): Promise<PipelinePlan> {
  const plan = JSON.parse(await readFile(pipelineLayout(folder).plan, 'utf8')) as PipelinePlan;
  if (plan.formatVersion === PIPELINE_FORMAT) return plan;
  throw new ParallelRunError(
    [
      {
        code: 'PR5012',
        severity: 'error',
        what: 'the pipeline was made by another version of ParallelRun',
        where: { file: folder },
        why: `its format is ${String(plan.formatVersion)}; this version reads ${PIPELINE_FORMAT}`,
        next: 'read it with the version that made it',
      },
    ],
    4,
  );
}

export async function readRequest(layout: PipelineLayout): Promise<StoredRequest> {
  return JSON.parse(await readFile(layout.request, 'utf8')) as StoredRequest;
}

/** Whole lines only: the last one may have been cut by a crash. */
export async function readPipelineEvents(layout: PipelineLayout): Promise<readonly PipelineEvent[]> {
  const text = await readFile(layout.journal, 'utf8').catch(() => '');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as PipelineEvent);
}

/**
 * Events of a pipeline are few: each is on the disk before anything is done about it. While the disk is full it waits;
 * after any other failure nothing is written any more.
 */
export class PipelineJournal {
  /** Called when it begins to wait for space, and when it has got it. */
  onWaiting: (waiting: boolean) => void = () => undefined;
  readonly #file: FileHandle;
  readonly #layout: PipelineLayout;
  readonly #patience = new Patience((waiting) => this.onWaiting(waiting));
  /** Of whole lines. */
  #bytes: number;
  #failed: ParallelRunError | undefined;
  /** Lines don't mix. */
  #before: Promise<unknown> = Promise.resolve();

  private constructor(file: FileHandle, layout: PipelineLayout, bytes: number) {
    this.#file = file;
    this.#layout = layout;
    this.#bytes = bytes;
  }

  /** Cuts off what a crash left unfinished. @throws ParallelRunError PR5112, exit code 3, where it can't be written */
  static async open(layout: PipelineLayout): Promise<PipelineJournal> {
    try {
      const file = await open(layout.journal, 'a+', 0o600);
      const bytes = await file.readFile();
      const whole = bytes.lastIndexOf(0x0a) + 1;
      if (whole < bytes.length) await file.truncate(whole);
      return new PipelineJournal(file, layout, whole);
    } catch (error) {
      throw unwritable(layout, error);
    }
  }

  /** @throws ParallelRunError PR5112, exit code 3 */
  async append(event: PipelineEvent): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(event)}\n`);
    const written = this.#before.then(() => this.#write(line));
    this.#before = written.catch(() => undefined);
    await written;
  }

  async #write(line: Buffer): Promise<void> {
    let again = false;
    const work = async (): Promise<void> => {
      // a part of the line may be there
      if (again) await this.#file.truncate(this.#bytes);
      again = true;
      await this.#file.appendFile(line);
      await this.#file.datasync();
    };
    if (this.#failed) throw this.#failed;
    try {
      await this.#patience.run(work);
      this.#bytes += line.length;
    } catch (error) {
      throw (this.#failed = unwritable(this.#layout, error));
    }
  }

  /** Waits for space no longer. */
  giveUp(): void {
    this.#patience.giveUp();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function unwritable({ folder, journal }: PipelineLayout, error: unknown): ParallelRunError {
  return new ParallelRunError(
    [
      {
        code: 'PR5112',
        severity: 'error',
        what: `what happens in the pipeline ${basename(folder)} can no longer be recorded: its steps are ended`,
        where: { file: journal },
        why: error instanceof Error ? error.message : String(error),
        next: `mend the disk, then: parallelrun resume ${basename(folder)}`,
      },
    ],
    3,
    { cause: error },
  );
}

/** Inputs that lie elsewhere are fetched; outputs that go elsewhere are uploaded at the end. */
import { lstat, mkdir, mkdtemp, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { matcherFor } from '../dataset/index.ts';
import type { Arriving } from '../dataset/index.ts';
import { runLayout } from '../domain/layout.ts';
import type { Plan, RemoteInput } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import { redact } from '../domain/redact.ts';
import { defaultCacheFolder } from '../environment/index.ts';
import { OutputError } from '../orchestrator/index.ts';
import { parseLocation } from '../remote/location.ts';
import type { RemoteLocation } from '../remote/location.ts';
import type { Staged, StageOptions, StageRequest } from '../remote/stage.ts';
import type { RetryPolicy } from '../remote/retry.ts';
import { retryPace } from './failpoints.ts';
import { rootOfStep } from './folder.ts';
import { readPipelinePlan } from './pipeline-store.ts';
import { refused } from './resume-problems.ts';

/** URLs as they were written, by what is shown of them. */
export type Secrets = ReadonlyMap<string, string>;

export interface RemoteOptions {
  readonly secrets: Secrets;
  readonly signal?: AbortSignal;
  readonly onProgress?: (line: string) => void;
  /** What is worth keeping of it; default `onProgress`. */
  readonly onNote?: (line: string) => void;
}

/** Nobody removes what was fetched before it is called. */
export type Release = () => Promise<void>;

/** What an input was when it was fetched for a run. */
interface FetchedInput {
  readonly url: string;
  readonly digest: string;
  readonly key: string;
}

export const hasRemoteInputs = (plan: Pick<Plan, 'remote'>): boolean => (plan.remote?.inputs.length ?? 0) > 0;

/** Inputs of a new run: those that are split come while the run goes on. */
export interface ComingInputs {
  readonly arriving: Arriving;
  /** Nothing more is wanted: what is awaited of them ends. */
  readonly stop: () => void;
  readonly release: Release;
}

/**
 * Fetches all inputs that aren't here and puts a link to each where the plan says. Of files that are split nobody
 * needs more than those of the next mini-batch: they are on their way when this resolves.
 * @throws ParallelRunError: exit code 2, or 3 where the server can't be reached and the run can be resumed
 */
export async function fetchInputs(plan: Plan, options: RemoteOptions): Promise<ComingInputs> {
  const { beginStage, stage } = await import('../remote/index.ts');
  const stopped = new AbortController();
  const arriving = new Map<string, () => AsyncIterable<readonly string[]>>();
  const inputs = [...(plan.remote?.inputs ?? [])].sort((a, b) => Number(inTurn(plan, a)) - Number(inTurn(plan, b)));
  const release = await each(inputs, async (input) => {
    const request = requestFor(plan, input, options.secrets);
    const staging = stageOptions(plan, options);
    if (!inTurn(plan, input)) {
      const fetched = await stage(request, staging);
      await place(input, fetched);
      return fetched.release;
    }
    const begun = await beginStage(request, staging);
    await place(input, begun);
    arriving.set(input.local, () => untilStopped(begun.arriving(), stopped.signal));
    return begun.release;
  }).catch((error: unknown) => {
    throw resumable(error, plan);
  });
  const stop = (): void => {
    stopped.abort();
  };
  return { arriving, stop, release };
}

/** Of who reads all of its inputs at once. @throws as `fetchInputs` */
export function fetchWhole(
  { runId, remote }: Pick<Plan, 'runId' | 'remote'>,
  options: RemoteOptions,
): Promise<Release> {
  const whole = { runId, inputs: [], ...(remote && { remote }) };
  return each(remote?.inputs, async (input) => {
    const { stage } = await import('../remote/index.ts');
    const fetched = await stage(requestFor(whole, input, options.secrets), stageOptions(whole, options));
    await place(input, fetched);
    return fetched.release;
  });
}

/** What each input is just now, by its name; one of which nobody can say it is never the same. */
export async function remoteStamps(
  plan: Pick<Plan, 'runId' | 'remote'>,
  options: RemoteOptions,
): Promise<ReadonlyMap<string, string>> {
  const stamps = new Map<string, string>();
  for (const input of plan.remote?.inputs ?? []) {
    const { listRemote } = await import('../remote/index.ts');
    const request = requestFor({ inputs: [] }, input, options.secrets);
    const found = await listRemote(request, stageOptions(plan, options)).catch(() => undefined);
    const isKnown = found?.objects.every(({ version }) => version !== '') === true;
    stamps.set(input.name, isKnown ? found.digest : `unknown ${String(Math.random())}`);
  }
  return stamps;
}

/** Whether a mini-batch is all that anybody sees of an input. */
function inTurn({ cutting, inputs, scriptArguments, environmentVariables }: Plan, input: RemoteInput): boolean {
  const { kind, whole, local } = input;
  if (cutting.by !== 'files' || kind !== 'folder' || whole === true) return false;
  const known = [...scriptArguments, ...Object.values(environmentVariables)].some((text) => text.includes(local));
  return !known && inputs.some(({ root, select }) => root === local && (select.by === 'all' || select.by === 'glob'));
}

async function* untilStopped<T>(values: AsyncGenerator<T, void>, signal: AbortSignal): AsyncGenerator<T, void> {
  const stopped = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(undefined);
    });
  });
  for (;;) {
    const next = await Promise.race([values.next(), stopped]);
    if (next === undefined || next.done === true || signal.aborted) return;
    yield next.value;
  }
}

/**
 * The inputs of a run that goes on: they have to be what they were.
 * @param accept what was fetched is taken as it was, whatever became of it since
 * @throws ParallelRunError exit code 4 where one has changed
 */
export async function fetchAgain(plan: Plan, options: RemoteOptions & { readonly accept: boolean }): Promise<Release> {
  const remote = await import('../remote/index.ts');
  return each(plan.remote?.inputs, async (input) => {
    const before = await fetchedBefore(input);
    const stageable = stageOptions(plan, options);
    if (before && options.accept) {
      const kept = await remote.stagedBefore(before.key, stageable);
      if (kept) {
        await link(input.local, kept.folder);
        return kept.release;
      }
    }
    const request = requestFor(plan, input, options.secrets);
    if (before) {
      const now = await remote.listRemote(request, stageable);
      if (now.digest !== before.digest) {
        const entries = await remote.entriesBefore(before.key, stageable.cacheFolder);
        throw refused([changed(plan, input, entries, now.objects)]);
      }
    }
    const fetched = await remote.stage(request, stageable);
    await place(input, fetched);
    return fetched.release;
  }).catch((error: unknown) => {
    throw resumable(error, plan);
  });
}

/** For a mini-batch of a run, which may have ended long ago: what is there is used, the rest fetched. */
export async function fetchForReplay(plan: Plan, options: RemoteOptions): Promise<Release> {
  if (!hasRemoteInputs(plan)) return () => Promise.resolve();
  return fetchAgain(plan, { ...options, accept: true });
}

/** Before there is a run: inputs are in a temporary folder as long as `work` goes on. */
export async function overFetched<T>(
  plan: Plan,
  options: RemoteOptions,
  work: (plan: Plan, arriving?: Arriving) => Promise<T>,
): Promise<T> {
  if (!hasRemoteInputs(plan)) return work(plan);
  const folder = await mkdtemp(`${tmpdir()}/parallelrun-inputs-`);
  const moved = JSON.parse(
    JSON.stringify(plan).replaceAll(`${quoted(runLayout(plan.runFolder).inputs)}/`, `${quoted(folder)}/`),
  ) as Plan;
  let release: Release | undefined;
  try {
    const coming = await fetchInputs(moved, options);
    release = coming.release;
    return await work(moved, coming.arriving);
  } finally {
    await release?.();
    await rm(folder, { recursive: true, force: true });
  }
}

const quoted = (text: string): string => JSON.stringify(text).slice(1, -1);

/** `runId`: what it has written it may write again. */
export type Uploading = Pick<Plan, 'runId' | 'remote'> & { readonly output?: Plan['output'] };

/** @returns the URL of the result, where that was among what went elsewhere. @throws OutputError */
export async function uploadOutputs(plan: Uploading, options: RemoteOptions): Promise<string | undefined> {
  const outputs = plan.remote?.outputs ?? [];
  if (outputs.length === 0) return undefined;
  const { upload, UploadFailed } = await import('../remote/index.ts');
  const { runId } = plan;
  const { secrets, ...others } = options;
  const result = plan.output?.action === 'append_row' ? plan.output.file : undefined;
  let uploaded: string | undefined;
  for (const { name, url, kind, local, overwrite } of outputs) {
    if (result === local) uploaded = url;
    else if (result?.startsWith(`${local}/`)) uploaded = `${url}${result.slice(local.length)}`;
    // A script need not have written it.
    if (kind === 'file' && (await lstat(local).catch(() => undefined)) === undefined) continue;
    const request = { name, location: locationOf(url, secrets), local, kind, overwrite };
    await upload(request, { env: process.env, runId, ...paced(), ...others }).catch((error: unknown) => {
      throw error instanceof UploadFailed ? new OutputError(error.message, error.path, { cause: error }) : error;
    });
  }
  return uploaded;
}

/**
 * Signatures are not stored with a run: they are looked up where they were, in its job file, in that of its pipeline, and
 * in its profile, whose URLs may be those of folders above.
 */
export async function secretsOfJob(plan: Plan): Promise<Secrets> {
  const { remote, profile } = plan;
  const secrets = new Map<string, string>();
  if (remote === undefined) return secrets;
  const jobFile = plan.jobFile ?? (await jobFileOfPipeline(plan));
  for (const file of [profile, jobFile]) {
    if (file === undefined) continue;
    const text = await readFile(file, 'utf8').catch(() => '');
    for (const [url, written] of signedUrls(text)) {
      secrets.set(url, written);
      for (const { url: below } of [...remote.inputs, ...remote.outputs])
        if (below.startsWith(`${url}/`)) secrets.set(below, withTail(written, below.slice(url.length)));
    }
  }
  return secrets;
}

/** As it was when the pipeline was started; absent where its folder is gone. */
async function jobFileOfPipeline({ runFolder, rootRunId }: Plan): Promise<string | undefined> {
  if (rootRunId === undefined) return undefined;
  const pipeline = await readPipelinePlan(`${rootOfStep(runFolder)}/${rootRunId}`).catch(() => undefined);
  return pipeline?.jobFile;
}

/** URLs of a text that hold more than is ever shown of them: what is shown, and as they are written. */
function signedUrls(text: string): readonly (readonly [url: string, written: string])[] {
  return [...text.matchAll(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"']+/gi)].flatMap(([found]) => {
    const written = found.replace(/[,}\]]+$/, '');
    const parsed = parseLocation(written, process.env);
    return parsed.ok && written !== parsed.value.url ? [[parsed.value.url, written] as const] : [];
  });
}

/** @param tail as it stands in a URL, with the slash before it */
function withTail(written: string, tail: string): string {
  const at = written.indexOf('?');
  const [front, query] = at < 0 ? [written, ''] : [written.slice(0, at), written.slice(at)];
  return `${front.replace(/\/+$/, '')}${tail}${query}`;
}

/** One after the other; where one fails the others are let go. */
async function each(
  inputs: readonly RemoteInput[] = [],
  work: (input: RemoteInput) => Promise<Release>,
): Promise<Release> {
  const releases: Release[] = [];
  const release = async (): Promise<void> => {
    await Promise.allSettled(releases.map((one) => one()));
  };
  try {
    for (const input of inputs) releases.push(await work(input));
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

function requestFor(
  plan: Pick<Plan, 'inputs'>,
  { name, url, kind, local, whole }: RemoteInput,
  secrets: Secrets,
): StageRequest {
  const split = whole === true ? undefined : plan.inputs.find((input) => input.root === local);
  const matcher = split?.select.by === 'glob' ? matcherFor(split.select) : undefined;
  return {
    name,
    location: locationOf(url, secrets),
    kind,
    ...(matcher && { takes: (file: string) => matcher.takes(file) }),
  };
}

function locationOf(url: string, secrets: Secrets): RemoteLocation {
  const parsed = parseLocation(secrets.get(url) ?? url, process.env);
  if (parsed.ok) return parsed.value;
  throw new ParallelRunError(
    [{ code: 'PR3606', severity: 'error', what: `the URL ${redact(url)} is not understood`, why: parsed.error }],
    2,
  );
}

function stageOptions(
  plan: Pick<Plan, 'runId'>,
  { signal, onProgress, onNote = onProgress }: RemoteOptions,
): StageOptions {
  return {
    env: process.env,
    cacheFolder: path.join(defaultCacheFolder(process.env), 'data'),
    runId: plan.runId,
    ...paced(),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
    ...(onNote && { onNote }),
  };
}

function paced(): { readonly policy?: RetryPolicy } {
  const policy = retryPace(process.env);
  return policy ? { policy } : {};
}

const recordOf = ({ local }: RemoteInput): string => `${local}.json`;

async function place(input: RemoteInput, { folder, digest, key }: Staged): Promise<void> {
  await link(input.local, folder);
  const record: FetchedInput = { url: input.url, digest, key };
  await writeFile(`${recordOf(input)}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
  await rename(`${recordOf(input)}.new`, recordOf(input));
}

async function link(local: string, folder: string): Promise<void> {
  if ((await readlink(local).catch(() => undefined)) === folder) return;
  await mkdir(path.dirname(local), { recursive: true, mode: 0o700 });
  await rm(local, { force: true });
  await symlink(folder, local);
}

async function fetchedBefore(input: RemoteInput): Promise<FetchedInput | undefined> {
  const text = await readFile(recordOf(input), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as FetchedInput);
}

function changed(
  { runId }: Plan,
  { name, url }: RemoteInput,
  before: ReadonlyMap<string, string>,
  now: readonly { readonly file: string; readonly size: number; readonly version: string }[],
) {
  const files = new Set(now.map(({ file }) => file));
  const examples = [
    ...now
      .filter(({ file, size, version }) => before.get(file) !== `${size} ${version}`)
      .map(({ file }) => (before.has(file) ? `${file} has changed` : `${file} is new`)),
    ...[...before.keys()].filter((file) => !files.has(file)).map((file) => `${file} is gone`),
  ];
  const more = examples.length > 3 ? `, and ${examples.length - 3} more` : '';
  return {
    code: 'PR3607',
    severity: 'error',
    what: `the input ${name} is not what it was when run ${runId} began`,
    where: { file: url },
    why: before.size === 0 ? 'objects were added, removed or changed' : `${examples.slice(0, 3).join(', ')}${more}`,
    next: `start a new run; or parallelrun resume ${runId} --accept-changed-input goes on with what was fetched, as long as the cache has it`,
  } as const;
}

/** What the run needs can be fetched later: its folder stays. */
export function resumable(error: unknown, { runId }: Plan): unknown {
  if (!(error instanceof ParallelRunError) || error.exitCode !== 3) return error;
  const [first, ...rest] = error.problems;
  if (!first) return error;
  const next = `${first.next ?? ''}${first.next === undefined ? '' : '; '}then: parallelrun resume ${runId}`;
  return new ParallelRunError([{ ...first, next }, ...rest], 3, { cause: error });
}

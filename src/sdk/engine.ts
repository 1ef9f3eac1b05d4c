/** Which engine carries a run's mini-batches: the one of this machine, or nodes that join through a broker. */
import { readdirSync } from 'node:fs';
import { relative } from 'node:path';
import { parseEngineAddress } from '../domain/engine-address.ts';
import type { EngineAddress } from '../domain/engine-address.ts';
import type { NodeAddress } from '../domain/ids.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Column, Plan } from '../domain/plan.ts';
import { ParallelRunError } from '../domain/problem.ts';
import type { Clock, Engine, LogSink } from '../domain/ports.ts';
import { packFolder, PackTooLarge } from '../environment/pack.ts';
import type { Broker } from '../engine/nats/broker.ts';
import { inboxOfRun } from '../engine/nats/permissions.ts';
import type { RunObjects } from '../engine/nats/streams.ts';
import type { RunSpec } from '../engine/nats/protocol.ts';
import type { EntryFacts } from '../node/options.ts';
import { packageVersion } from './package.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** A broker that has been reached. */
export interface RemoteEngine {
  readonly broker: Broker;
  readonly address: EngineAddress;
}

/** What a broker asks for besides its address; paths of files, never secrets themselves. */
export function brokerFiles(env: Env) {
  const { PARALLELRUN_ENGINE_CREDS, PARALLELRUN_ENGINE_CA, PARALLELRUN_ENGINE_CERT, PARALLELRUN_ENGINE_KEY } = env;
  const tls = {
    ...(PARALLELRUN_ENGINE_CA !== undefined && { ca: PARALLELRUN_ENGINE_CA }),
    ...(PARALLELRUN_ENGINE_CERT !== undefined && { cert: PARALLELRUN_ENGINE_CERT }),
    ...(PARALLELRUN_ENGINE_KEY !== undefined && { key: PARALLELRUN_ENGINE_KEY }),
  };
  return {
    ...(PARALLELRUN_ENGINE_CREDS !== undefined && { credentials: PARALLELRUN_ENGINE_CREDS }),
    ...(Object.keys(tls).length > 0 && { tls }),
  };
}

/** @throws ParallelRunError PR6001 to PR6006, exit code 2 */
export async function connectEngine(url: string, name: string, env: Env, inbox?: string): Promise<RemoteEngine> {
  const { Broker } = await import('../engine/nats/broker.ts');
  const address = parseEngineAddress(url);
  if (!address.ok) throw new ParallelRunError([address.error], 2);
  const broker = await Broker.connect(address.value, { name, inbox, ...brokerFiles(env) });
  try {
    await broker.checkStreams(address.value.shown);
  } catch (error) {
    await broker.cut();
    throw error;
  }
  return { broker, address: address.value };
}

/** The code of a run and what its nodes must know. @throws ParallelRunError PR6007, exit code 2 */
async function packRun(
  plan: Plan,
  layout: RunLayout,
  entry: EntryFacts,
  columns: readonly Column[] | undefined,
): Promise<RunObjects> {
  const processesByNode = plan.origins['max_concurrency_per_instance'] === 'default';
  const script = relative(layout.code, entry.script);
  const spec: RunSpec = { plan, script, processesByNode, ...(columns && { columns }) };
  try {
    return { spec: new TextEncoder().encode(JSON.stringify(spec)), code: await packFolder(layout.code) };
  } catch (error) {
    if (!(error instanceof PackTooLarge)) throw error;
    const what = `the code folder ${plan.entry.codeFolder} is too large to be sent to nodes`;
    const next = 'leave data out of it (.amlignore), and name it as an input or a path that all nodes see';
    throw new ParallelRunError([{ code: 'PR6007', severity: 'error', what, why: error.message, next }], 2, {
      cause: error,
    });
  }
}

/** A broker that has been reached, and what the nodes of a run get through it. */
export interface RemoteParts extends RemoteEngine {
  readonly objects: RunObjects;
}

/** Of a run that has one. @throws ParallelRunError PR6001 to PR6007, exit code 2 */
export async function openRemote(
  plan: Plan,
  layout: RunLayout,
  entry: EntryFacts,
  columns: readonly Column[] | undefined,
  secrets: ReadonlyMap<string, string>,
): Promise<RemoteParts | undefined> {
  if (plan.engine === undefined) return undefined;
  const objects = await packRun(plan, layout, entry, columns);
  const remote = await connectEngine(
    urlOf(plan.engine, secrets),
    `run ${plan.runId}`,
    process.env,
    inboxOfRun(plan.runId),
  );
  return { ...remote, objects };
}

/** On the way to a run: whether its broker can be used. */
export async function checkEngine({ engine, runId }: Plan, secrets: ReadonlyMap<string, string>): Promise<void> {
  if (engine === undefined) return;
  const { broker } = await connectEngine(
    urlOf(engine, secrets),
    `a look at the broker of ${runId}`,
    process.env,
    inboxOfRun(runId),
  );
  await broker.cut();
}

/** The address with what is secret of it: as it was given, or of a run that goes on, from the environment. */
function urlOf(shown: string, secrets: ReadonlyMap<string, string>): string {
  const { PARALLELRUN_ENGINE } = process.env;
  return (
    secrets.get(shown) ?? (PARALLELRUN_ENGINE === undefined || PARALLELRUN_ENGINE === '' ? shown : PARALLELRUN_ENGINE)
  );
}

export interface NatsParts {
  readonly plan: Plan;
  readonly layout: RunLayout;
  readonly remote: RemoteParts;
  readonly logs: LogSink;
  readonly clock: Clock;
  readonly say: (text: string) => void;
}

/** Loads the engine when it is started, so that runs of one machine never do. */
export function natsEngine({ plan, layout, remote, logs, clock, say }: NatsParts): Engine {
  const made = import('../engine/nats/index.ts').then(({ createNatsEngine }) =>
    createNatsEngine({
      broker: remote.broker,
      runId: plan.runId,
      version: packageVersion(),
      nodes: plan.nodeCount,
      replicas: remote.address.servers.length >= 3 ? 3 : 1,
      objects: remote.objects,
      folder: layout.folder,
      logs,
      clock,
      firstProcess: (node) => firstProcess(layout, node),
      say,
    }),
  );
  let engine: Engine | undefined;
  return {
    start: async (listener) => {
      engine = await made;
      await engine.start(listener);
    },
    dispatch: (assignments) => engine?.dispatch(assignments),
    stop: async (how) => (await made).stop(how),
  };
}

/** Behind all that the node has had in this run. */
function firstProcess(layout: RunLayout, node: NodeAddress): number {
  const folders = [`${layout.logs}/worker/${node}`, `${layout.logs}/user/stdout/${node}`, `${layout.records}/${node}`];
  const numbers = folders.flatMap(namesIn).map((name) => Number(/^Process-(\d+)\./.exec(name)?.[1] ?? 0));
  return Math.max(0, ...numbers) + 1;
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

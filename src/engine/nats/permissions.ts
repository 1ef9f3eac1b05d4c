/**
 * What a credential may do at the broker. That of an agent fits one node, of one run or of all: it reads its own orders
 * and what the run is made of, tells under its own name, and nothing else.
 */
import type { NodeAddress, RunId } from '../../domain/ids.ts';
import { RUNS_BUCKET, runNames, token } from './names.ts';

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Begin of the subjects on which answers come. */
export const inboxOfNode = (node: NodeAddress): string => `_INBOX.node_${token(node)}`;
export const inboxOfRun = (run: RunId): string => `_INBOX.run_${token(run)}`;

const RUNS_STREAM = `KV_${RUNS_BUCKET}`;

/**
 * @param run absent: of every run. Such an agent may read the code of all runs, and speak in each under its own name:
 * names of streams can't be wildcards in part.
 */
export function agentPermissions(node: NodeAddress, run?: RunId): Permissions {
  const names = run === undefined ? undefined : runNames(run);
  const id = names?.key ?? '*';
  const work = names?.workStream ?? '*';
  const objects = names ? `OBJ_${names.objects}` : '*';
  const me = token(node);
  return {
    publish: [
      ...['join', 'beat', 'news'].map((what) => `pr.${id}.${what}.${me}`),
      '$JS.API.INFO',
      `$JS.API.CONSUMER.INFO.${work}.node_${me}`,
      `$JS.API.CONSUMER.MSG.NEXT.${work}.node_${me}`,
      `$JS.ACK.${work}.node_${me}.>`,
      ...reading(RUNS_STREAM),
      ...reading(objects),
    ],
    subscribe: [`${inboxOfNode(node)}.>`],
  };
}

/** Its own ordered consumers, and messages by subject: never to write or to delete what is in it. */
function reading(stream: string): string[] {
  return [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.>`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.FC.${stream}.>`,
  ];
}

/** The orchestrator makes and removes what is its run's, and announces it. @param run absent: of any run */
export function orchestratorPermissions(run?: RunId): Permissions {
  if (run === undefined)
    return { publish: ['pr.>', '$JS.>', '$KV.>', '$O.>', '_INBOX.>'], subscribe: ['pr.>', '_INBOX.>'] };
  const { key, workStream, newsStream, objects } = runNames(run);
  const own = [workStream, newsStream, `OBJ_${objects}`];
  return {
    publish: [
      `pr.${key}.>`,
      '$JS.API.INFO',
      ...own.flatMap((stream) => [
        ...['CREATE', 'INFO', 'DELETE', 'PURGE', 'UPDATE'].map((what) => `$JS.API.STREAM.${what}.${stream}`),
        `$JS.API.STREAM.MSG.GET.${stream}`,
        `$JS.API.DIRECT.GET.${stream}.>`,
        `$JS.API.CONSUMER.*.${stream}.>`,
        `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
        `$JS.ACK.${stream}.>`,
        `$JS.FC.${stream}.>`,
      ]),
      `$O.${objects}.>`,
      `$KV.${RUNS_BUCKET}.${key}`,
      `$JS.API.STREAM.CREATE.${RUNS_STREAM}`,
      ...reading(RUNS_STREAM),
      // answers to agents
      '_INBOX.>',
    ],
    subscribe: [`pr.${key}.>`, `${inboxOfRun(run)}.>`],
  };
}

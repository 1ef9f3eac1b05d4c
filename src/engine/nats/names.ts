/**
 * Names at the broker. Subjects carry run and node, so that a credential can be bound to both:
 *
 * | subject               | says                                                                       |
 * |-----------------------|----------------------------------------------------------------------------|
 * | `pr.<run>.work.<node>`| orchestrator to node: hand-outs, the order to stop (stream `PR_WORK_<run>`)|
 * | `pr.<run>.news.<node>`| node to orchestrator: events, logs, files (stream `PR_NEWS_<run>`)         |
 * | `pr.<run>.join.<node>`| node asks to join; request and reply                                       |
 * | `pr.<run>.beat.<node>`| node: I am there, and have read so far; request and reply                  |
 */
import type { NodeAddress, RunId } from '../../domain/ids.ts';

/** One token of a subject, or part of a name: run ids and addresses hold dots, which separate tokens. */
export function token(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/g, (c) => (c === '.' ? '-' : `_${c.charCodeAt(0).toString(16)}_`));
}

/** All names of one run. */
export function runNames(run: RunId) {
  const id = token(run);
  return {
    workStream: `PR_WORK_${id}`,
    newsStream: `PR_NEWS_${id}`,
    /** Consumer of the orchestrator at the stream of news. */
    newsConsumer: 'orchestrator',
    objects: `PR_OBJ_${id}`,
    allWork: `pr.${id}.work.*`,
    allNews: `pr.${id}.news.*`,
    allJoins: `pr.${id}.join.*`,
    allBeats: `pr.${id}.beat.*`,
    /** Key in the bucket of runs. */
    key: id,
    of: (node: NodeAddress) => nodeNames(id, token(node)),
  };
}
export type RunNames = ReturnType<typeof runNames>;

function nodeNames(run: string, node: string) {
  return {
    /** Consumer of the node at the stream of work. */
    consumer: `node_${node}`,
    work: `pr.${run}.work.${node}`,
    news: `pr.${run}.news.${node}`,
    join: `pr.${run}.join.${node}`,
    beat: `pr.${run}.beat.${node}`,
  };
}
export type NodeNames = ReturnType<typeof nodeNames>;

/** Bucket of the runs that look for nodes; an entry goes when nobody renews it. */
export const RUNS_BUCKET = 'PR_RUNS';
export const RUNS_TTL_MS = 15_000;

/** The oldest server whose streams are trusted. */
export const SERVER_MIN = '2.14.3';

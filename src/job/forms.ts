/** Files that are no v2 pipeline, as the pipeline that says the same. Pure. */
import type { Problems } from './problems.ts';
import type { WrittenEntry, WrittenMap, WrittenNode } from './written.ts';
import { child, scalarFrom, textOf } from './written.ts';

/** @returns a pipeline; the tree itself where it is one, or nothing that is known */
export function asPipeline(root: WrittenNode, problems: Problems): WrittenNode | undefined {
  if (root.kind !== 'map') return root;
  const type = textOf(child(root, 'type'));
  if (root.entries.has('jobs') || type === 'pipeline') return root;
  if (type === 'parallel' || type === 'command') return around(root, textOf(child(root, 'name')) ?? type);
  void problems;
  return root;
}

/** A job or component on its own, as the only one of a pipeline. */
function around(job: WrittenMap, name: string): WrittenMap {
  return mapOf(job, [
    ['type', scalarFrom('pipeline', job.origin, job.at())],
    ['jobs', mapOf(job, [[name, job]])],
  ]);
}

function mapOf(like: WrittenMap, values: readonly (readonly [string, WrittenNode])[]): WrittenMap {
  const entries = values.map(([key, value]): [string, WrittenEntry] => [key, { key, keyAt: value.at, value }]);
  return { kind: 'map', origin: like.origin, at: like.at, entries: new Map(entries) };
}

/** Partition keys, and how paths name them. Pure. */
import { parsePathFormat } from '../domain/pathformat.ts';
import type { Cutting, Origin } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { Names } from './expressions.ts';
import { resolveScalar } from './expressions.ts';
import { onCommandLine } from './problems.ts';
import type { Problems } from './problems.ts';
import type { Settings } from './settings.ts';
import type { WrittenNode } from './written.ts';
import { describeNode, isNull } from './written.ts';

export interface Partition {
  /** Absent: none are asked for. */
  readonly cutting?: Extract<Cutting, { by: 'keys' }>;
  readonly origin: Origin;
}

interface WrittenKeys {
  readonly keys: readonly string[];
  readonly origin: Origin;
  readonly at: SourceLocation;
}

export function compilePartition(
  node: WrittenNode | undefined,
  flag: string | readonly string[] | undefined,
  settings: Settings,
  names: Names,
  problems: Problems,
): Partition {
  const written = flag === undefined ? fromFile(node, names, problems) : fromFlag(flag);
  const format = settings.partitionFormat;
  if (format.value !== undefined && (!written || written.keys.length === 0))
    problems.error('PR1012', 'partition_format is given without partition_keys', {
      ...(format.at && { where: format.at }),
      why: 'it says how paths name partition keys',
      next: 'add partition_keys, or remove it',
    });
  if (!written || written.keys.length === 0) return { origin: 'default' };
  const { keys, at } = written;
  check(keys, at, problems);
  if ((settings.rankMiniBatchCount.value ?? 0) > 0)
    problems.error('PR1012', 'partition_keys and rank_mini_batch_count are both given', {
      where: at,
      why: 'mini-batches with ranks have no input whose keys could be looked at',
      next: 'remove one',
    });
  if (format.value !== undefined && settings.query.value !== undefined)
    problems.error('PR1012', 'partition_format and query are both given', {
      ...(format.at && { where: format.at }),
      why: 'rows of a query have no paths that could name keys',
      next: 'leave partition_format out, and name columns of the query in partition_keys',
    });
  for (const name of ['miniBatchSize', 'miniBatchRows'] as const)
    if (settings[name].at)
      problems.warning(
        'PR1018',
        `${name === 'miniBatchSize' ? 'mini_batch_size' : 'mini_batch_rows'} has no effect beside partition_keys`,
        {
          where: settings[name].at,
          why: 'a mini-batch holds everything that has the same keys',
        },
      );
  const wrong = format.value === undefined ? undefined : parsePathFormat(format.value);
  if (typeof wrong === 'string')
    problems.error('PR1011', 'partition_format has a value that is not allowed', {
      ...(format.at && { where: format.at }),
      why: `found ${JSON.stringify(format.value)}: ${wrong}`,
      next: 'write it like {Store}/{Brand}/{date}.csv',
    });
  return {
    cutting: { by: 'keys', keys, ...(format.value !== undefined && { format: format.value }) },
    origin: written.origin,
  };
}

function fromFlag(flag: string | readonly string[]): WrittenKeys {
  const texts = typeof flag === 'string' ? [flag] : flag;
  const keys = texts.flatMap((text) => text.split(',')).map((name) => name.trim());
  return { keys, origin: 'command line', at: onCommandLine('--partition-keys', texts.join(',')) };
}

function fromFile(node: WrittenNode | undefined, names: Names, problems: Problems): WrittenKeys | undefined {
  if (node === undefined || isNull(node)) return undefined;
  const items = node.kind === 'list' ? node.items : [node];
  const keys = items.map((item) => {
    if (item.kind === 'scalar' && !isNull(item)) return resolveScalar(item, names, problems)?.text ?? '';
    problems.error('PR1010', 'partition_keys has a value of the wrong type', {
      where: item.at(),
      why: `found ${describeNode(item)}; allowed: a list of names`,
    });
    return undefined;
  });
  const known = keys.filter((key) => key !== undefined);
  return known.length < keys.length ? undefined : { keys: known, origin: node.origin, at: node.at() };
}

function check(keys: readonly string[], at: SourceLocation, problems: Problems): void {
  const twice = keys.find((key, i) => keys.indexOf(key) < i);
  if (twice === undefined && !keys.includes('')) return;
  problems.error('PR1011', 'partition_keys has a value that is not allowed', {
    where: at,
    why: twice === undefined ? 'one of the names is empty' : `${JSON.stringify(twice)} is there twice`,
    next: 'name each key once',
  });
}

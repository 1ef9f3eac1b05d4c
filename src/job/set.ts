/** `--set jobs.score.resources.instance_count=3`: lays one value over the tree of a job file. Pure. */
import { isCollection, isScalar, parseDocument } from 'yaml';
import type { Problems } from './problems.ts';
import { onCommandLine } from './problems.ts';
import { readYaml } from './read-yaml.ts';
import type { WrittenEntry, WrittenNode } from './written.ts';
import { describeNode, isNull, scalarFrom } from './written.ts';

/** @returns the tree with all overrides in it, in their order; what cannot be applied is reported and left out. */
export function applyOverrides(root: WrittenNode, overrides: readonly string[], problems: Problems): WrittenNode {
  let tree = root;
  for (const override of overrides) {
    const cut = override.indexOf('=');
    const path = cut < 0 ? override : override.slice(0, cut);
    const keys = path.split('.');
    if (cut < 0 || keys.some((key) => key.trim() === '')) {
      problems.error('PR1008', `--set ${override} is not of the form path=value`, {
        where: onCommandLine('--set', override),
        next: 'for example --set jobs.score.retry_settings.timeout=5m',
      });
      continue;
    }
    const value = readValue(override.slice(cut + 1), path, override, problems);
    if (value !== undefined) tree = place(tree, keys, value, { override, path, problems });
  }
  return tree;
}

interface Context {
  readonly override: string;
  readonly path: string;
  readonly problems: Problems;
}

function place(
  node: WrittenNode | undefined,
  keys: readonly string[],
  value: WrittenNode,
  context: Context,
  depth = 0,
): WrittenNode {
  const key = keys[depth];
  if (key === undefined) return value;
  const where = onCommandLine('--set', context.override);
  if (node !== undefined && node.kind !== 'map' && !isNull(node)) {
    context.problems.error(
      'PR1008',
      `--set ${context.path} runs through ${keys.slice(0, depth).join('.') || 'the top of the file'}, which is no map`,
      {
        where,
        why: `found ${describeNode(node)}`,
        next: `set ${keys.slice(0, depth).join('.')} itself, or another path`,
      },
    );
    return node;
  }
  const map = node?.kind === 'map' ? node : undefined;
  const entries = new Map<string, WrittenEntry>(map?.entries);
  const old = entries.get(key);
  const inner = place(old?.value, keys, value, context, depth + 1);
  entries.set(key, { key, keyAt: old?.keyAt ?? (() => where), value: inner });
  return { kind: 'map', entries, origin: map?.origin ?? 'command line', at: map?.at ?? (() => where) };
}

/**
 * As YAML: `3` is a number, `"3"` and `10kb` are texts, `[a, b]` is a list. Nothing is an empty text, and what is
 * neither a scalar nor in brackets (`note: a`) the text that it is.
 */
function readValue(text: string, path: string, override: string, problems: Problems): WrittenNode | undefined {
  const where = { ...onCommandLine('--set', override), keyPath: path };
  const document = parseDocument(text, { logLevel: 'silent' });
  const { contents } = document;
  const plain = isScalar(contents)
    ? typeof contents.value === 'string' && contents.type === 'PLAIN'
    : !isCollection(contents) || contents.flow !== true;
  if (plain || document.errors.length > 0) return scalarFrom(text, 'command line', where);
  const node = readYaml(text, 'command line', problems);
  return node === undefined ? undefined : fromCommandLine(node, () => where);
}

function fromCommandLine(node: WrittenNode, at: WrittenNode['at']): WrittenNode {
  const common = { origin: 'command line', at } as const;
  switch (node.kind) {
    case 'scalar':
      return { ...node, ...common, locate: at };
    case 'list':
      return { ...node, ...common, items: node.items.map((item) => fromCommandLine(item, at)) };
    case 'map': {
      const entries = [...node.entries].map(
        ([key, entry]) => [key, { key, keyAt: at, value: fromCommandLine(entry.value, at) }] as const,
      );
      return { ...node, ...common, entries: new Map(entries) };
    }
  }
}

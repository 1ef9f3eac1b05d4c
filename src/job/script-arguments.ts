/** `program_arguments` of the job file and what stands behind `--`: the script's arguments, and our flags in them. Pure. */
import type { Origin } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { RuntimeFlag } from './arguments.ts';
import { findRuntimeFlags, findSlips, splitArguments } from './arguments.ts';
import type { Names } from './expressions.ts';
import { resolveTemplate } from './expressions.ts';
import type { Problems } from './problems.ts';
import { onCommandLine } from './problems.ts';
import type { WrittenNode, WrittenScalar } from './written.ts';
import { describeNode, isNull } from './written.ts';

export interface ScriptArguments {
  readonly words: readonly string[];
  readonly runtimeFlags: readonly RuntimeFlag[];
  readonly runtimeFlagAt: (flag: string) => SourceLocation;
  readonly origin: Origin;
}

/** @param added arguments of the command line; they follow those of the file, so that theirs is the last word. */
export function readScriptArguments(
  node: WrittenNode | undefined,
  added: readonly string[],
  names: Names,
  problems: Problems,
): ScriptArguments {
  const fromFile = node === undefined || isNull(node) ? [] : readNode(node, names, problems);
  const words = [...fromFile, ...added];
  const runtimeFlagAt = (flag: string): SourceLocation => {
    const isAdded = added.some((word) => word === flag || word.startsWith(`${flag}=`));
    return isAdded || node === undefined
      ? onCommandLine('--', flag)
      : node.kind === 'scalar'
        ? node.locate(flag)
        : node.at();
  };
  for (const { flag, meant } of findSlips(words)) {
    problems.warning('PR1017', `the argument ${flag} looks like ${meant}`, {
      where: runtimeFlagAt(flag),
      why: 'as it is written, only the script sees it',
      next: `write ${meant} if that is meant`,
    });
  }
  const origin: Origin =
    added.length > 0 ? 'command line' : fromFile.length > 0 ? (node?.origin ?? 'job file') : 'default';
  return { words, runtimeFlags: findRuntimeFlags(words), runtimeFlagAt, origin };
}

function readNode(node: WrittenNode, names: Names, problems: Problems): readonly string[] {
  if (node.kind === 'list') return node.items.flatMap((item) => readItem(item, names, problems));
  if (node.kind === 'scalar' && typeof node.value === 'string') return splitScalar(node, names, problems);
  reportWrong(node, problems);
  return [];
}

function splitScalar(node: WrittenScalar, names: Names, problems: Problems): readonly string[] {
  const split = splitArguments(resolveTemplate(node.text, names, node.locate, problems));
  if (split.ok) return split.value;
  problems.error('PR1016', 'a quote in the arguments is never closed', {
    where: node.locate(split.error),
    why: `${split.error} opens a text and nothing ends it`,
    next: 'close it, or put a backslash before it',
  });
  return [];
}

/** An item of a list is one argument, whatever it holds. */
function readItem(item: WrittenNode, names: Names, problems: Problems): readonly string[] {
  if (item.kind !== 'scalar' || item.value === null) {
    reportWrong(item, problems);
    return [];
  }
  return [
    resolveTemplate(item.text, names, item.locate, problems)
      .map((piece) => piece.text)
      .join(''),
  ];
}

function reportWrong(node: WrittenNode, problems: Problems): void {
  problems.error('PR1010', 'task.program_arguments has a value of the wrong type', {
    where: node.at(),
    why: `found ${describeNode(node)}; allowed: one text, or a list of texts`,
  });
}

import type { CommanderError } from 'commander';
import { ParallelRunError, type Problem } from '../domain/problem.ts';
import { isScriptName } from '../job/script-name.ts';
import { shellWord } from '../views/text/words.ts';

/** A command line that can't be understood: exit code 2. */
export function usageError(what: string, facts: { why?: string; next?: string } = {}): ParallelRunError {
  return new ParallelRunError([{ code: 'PR1901', severity: 'error', what, ...facts }], 2);
}

/** What of a command the words about its misuse need. */
export interface UsedCommand {
  readonly name: string;
  readonly takesJob: boolean;
  readonly examples: readonly (readonly [line: string, meaning: string])[];
}

const SUGGESTION = /\n?\((Did you mean .*?)\?\)\s*$/s;

/**
 * commander's own message as a problem, its suggestion as what to do next.
 * @param args as written, up to `--`
 */
export function problemOfUsage(
  error: CommanderError,
  command: UsedCommand | undefined,
  args: readonly string[],
): Problem {
  const message = error.message.replace(/^error: /, '');
  const meant = SUGGESTION.exec(message)?.[1];
  const why = reasonOf(error, command, args);
  const help = command === undefined ? 'parallelrun --help' : `parallelrun ${command.name} --help`;
  const otherwise = meant === undefined ? help : `${meant.replace('Did', 'did')}? Otherwise: ${help}`;
  return {
    code: 'PR1901',
    severity: 'error',
    what: message.replace(SUGGESTION, '').trim(),
    ...(why === undefined ? {} : { why }),
    next: rightForm(error, command, args) ?? otherwise,
  };
}

function reasonOf(
  { code }: CommanderError,
  command: UsedCommand | undefined,
  args: readonly string[],
): string | undefined {
  if (code !== 'commander.unknownOption') return undefined;
  if (command?.takesJob === true) return 'options of the script itself stand after --';
  return command === undefined && args.length > 1 ? 'options stand after the command' : undefined;
}

/** What a person who wrote this most likely wants, as a command line. */
function rightForm(
  { code }: CommanderError,
  command: UsedCommand | undefined,
  args: readonly string[],
): string | undefined {
  switch (code) {
    case 'commander.unknownCommand':
      return runForm(args);
    case 'commander.excessArguments':
      if (command?.name === 'replay') return replayForm(args);
      return command?.takesJob === true && isScriptName(args[1] ?? '')
        ? runForm(args.slice(1), command.name)
        : undefined;
    case 'commander.missingArgument':
      return command && `for example: ${command.examples[0]?.[0] ?? ''}; more: parallelrun ${command.name} --help`;
    default:
      return undefined;
  }
}

/** `score.py images` and `job.yml` without the words around them. */
function runForm([file = '', input]: readonly string[], command = 'run'): string | undefined {
  if (/\.ya?ml$/.test(file)) return `parallelrun ${command} ${shellWord(file)}`;
  if (!isScriptName(file)) return undefined;
  const path = input === undefined || input.startsWith('-') ? 'PATH' : shellWord(input);
  return `parallelrun ${command} --entry-script ${shellWord(file)} --input ${path}`;
}

function replayForm([, run = '', index = '']: readonly string[]): string | undefined {
  return /^\d+$/.test(index) ? `parallelrun replay ${shellWord(`${run}/${index}`)}` : undefined;
}

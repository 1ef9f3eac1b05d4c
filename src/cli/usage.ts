import type { CommanderError } from 'commander';
import { ParallelRunError, type Problem } from '../domain/problem.ts';

/** A command line that can't be understood: exit code 2. */
export function usageError(what: string, facts: { why?: string; next?: string } = {}): ParallelRunError {
  return new ParallelRunError([{ code: 'PR1901', severity: 'error', what, ...facts }], 2);
}

const SUGGESTION = /\n?\((Did you mean .*?)\?\)\s*$/s;

/** commander's own message as a problem, its suggestion as what to do next. */
export function problemOfUsage(error: CommanderError, command: string | undefined): Problem {
  const message = error.message.replace(/^error: /, '');
  const suggestion = SUGGESTION.exec(message);
  const what = message.replace(SUGGESTION, '').trim();
  const help = command === undefined ? 'parallelrun --help' : `parallelrun ${command} --help`;
  const meant = suggestion?.[1];
  const forScript = error.code === 'commander.unknownOption' && (command === 'run' || command === 'test');
  return {
    code: 'PR1901',
    severity: 'error',
    what,
    ...(forScript ? { why: 'options of the script itself stand after --' } : {}),
    next: meant === undefined ? help : `${meant.replace('Did', 'did')}? Otherwise: ${help}`,
  };
}

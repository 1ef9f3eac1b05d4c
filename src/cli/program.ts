import { Command, CommanderError } from 'commander';
import { InvariantError } from '../domain/assert.ts';
import { ParallelRunError, type Problem } from '../domain/problem.ts';
import { COMMANDS, type CommandSpec } from './catalog.ts';
import { Console } from './console.ts';
import type { CliDeps } from './deps.ts';
import { withProfileRoot } from './profile-root.ts';
import type { Parsed } from './flags.ts';
import { problemOfUsage } from './usage.ts';

export interface Program {
  /**
   * Runs one command line. Never rejects: what goes wrong is told and becomes an exit code of contract 4.4.
   * @param args without interpreter and program, `process.argv.slice(2)`.
   */
  main(args: readonly string[]): Promise<number>;
}

export function createProgram(deps: CliDeps): Program {
  return { main: (args) => main(deps, args) };
}

async function main(deps: CliDeps, args: readonly string[]): Promise<number> {
  const { own, scriptArguments } = splitAtDashes(args);
  const console = new Console(deps, own.includes('--json'));
  const outcome = { exitCode: 0 };
  const program = build(deps, console, scriptArguments, outcome);
  try {
    if (own.length === 0) {
      void deps.stderr.write(program.helpInformation());
      return 2;
    }
    await program.parseAsync([...own], { from: 'user' });
    return outcome.exitCode;
  } catch (error) {
    return told(error, console, own);
  }
}

/** Tells what was thrown and finds its exit code. */
async function told(error: unknown, console: Console, args: readonly string[]): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    const command = COMMANDS.find((spec) => spec.name === args[0]);
    await console.problems([problemOfUsage(error, command, args)]);
    return 2;
  }
  if (error instanceof ParallelRunError) {
    await console.problems(error.problems);
    return error.exitCode;
  }
  await console.problems([defect(error)]);
  return 3;
}

/** What nobody foresaw. Its stack is shown: it is all there is to go by. */
function defect(error: unknown): Problem {
  const kind = error instanceof InvariantError ? 'an invariant does not hold' : 'unexpected error';
  return {
    code: 'PR5999',
    severity: 'error',
    what: `${kind}: ${error instanceof Error ? error.message : String(error)}`,
    ...(error instanceof Error && error.stack !== undefined ? { why: error.stack } : {}),
    next: hasTooManyOpen(error)
      ? 'raise the limit of open files (ulimit -n), or use fewer processes; parallelrun resume goes on with a run'
      : 'this is a defect of ParallelRun, not of your job; please report it with this text',
  };
}

const hasTooManyOpen = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE');

/** `--` belongs to the commands that take a job; other commands get it as it is. */
function splitAtDashes(args: readonly string[]): { own: readonly string[]; scriptArguments?: readonly string[] } {
  const cut = args.indexOf('--');
  const spec = COMMANDS.find((candidate) => candidate.name === args[0]);
  if (cut < 0 || spec?.takesJob !== true) return { own: args };
  return { own: args.slice(0, cut), scriptArguments: args.slice(cut + 1) };
}

function build(
  deps: CliDeps,
  console: Console,
  scriptArguments: readonly string[] | undefined,
  outcome: { exitCode: number },
): Command {
  const program = new Command('parallelrun')
    .description('Runs a scoring script over many files or table rows.')
    // An option behind a command is the command's: models add has a --version of its own.
    .enablePositionalOptions()
    .version(deps.version, '-V, --version', 'show the version')
    .helpCommand(true)
    .exitOverride()
    .configureOutput({
      // Help is for people: with --json it must not stand between NDJSON lines.
      writeOut: (text) => void console.human.write(text),
      // Errors of usage are told as problems, in one form with all others.
      writeErr: () => undefined,
    });
  for (const spec of COMMANDS) {
    const command = program.command(spec.name).summary(spec.summary).description(sentence(spec));
    spec.form(command);
    if (spec.takesJob) command.usage('[options] [job] [-- arguments of the script]');
    command.option('--json', 'NDJSON on standard output, text for people on standard error');
    command.addHelpText('after', helpExamples(spec));
    command.action(async (...received: unknown[]) => {
      const args = received.slice(0, command.registeredArguments.length).map(textOrNothing);
      const { execute } = await spec.load();
      const parsed: Parsed = command.opts();
      const world = spec.takesJob ? deps : await withProfileRoot(deps, parsed['root']);
      outcome.exitCode = await execute({ deps: world, console, args, parsed, scriptArguments });
    });
  }
  return program;
}

const textOrNothing = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const sentence = (spec: CommandSpec): string => `${spec.summary.charAt(0).toUpperCase()}${spec.summary.slice(1)}.`;

function helpExamples(spec: CommandSpec): string {
  const lines = spec.examples.flatMap(([line, meaning]) =>
    meaning === '' ? [`  ${line}`] : [`  # ${meaning}`, `  ${line}`],
  );
  return `\n${spec.examples.length === 1 ? 'Example' : 'Examples'}:\n${lines.join('\n')}`;
}

/** Every command with its form, its help and where its code is; the code itself is loaded when the command is used. */
import { Option, type Command } from 'commander';
import type { Execute } from './command.ts';
import { addJobOptions } from './flags.ts';
import { addResumeOptions } from './resume-flags.ts';

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** Full command lines, with what they do. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  /** Takes a job: `--` then separates the script's own arguments. */
  readonly takesJob: boolean;
  /** Adds arguments and options. */
  readonly form: (command: Command) => void;
  readonly load: () => Promise<{ readonly execute: Execute }>;
}

const RUN_ARGUMENT = 'id of the run, a unique start of it, or "last"';

const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [...(before ?? []), value];

const root = (): Option =>
  new Option(
    '--root <dir>',
    'folder that holds run folders (default: $PARALLELRUN_ROOT, else root of the profile, else ./runs)',
  );

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'run',
    summary: 'run a job and wait for its end',
    examples: [
      ['parallelrun run job.yml --set jobs.score.mini_batch_size=20', 'a job file, one value changed'],
      [
        'parallelrun run --entry-script score.py --input images -- --model m.pkl',
        'no job file; --model is for the script',
      ],
    ],
    takesJob: true,
    form: addJobOptions,
    load: () => import('./commands/run.ts'),
  },
  {
    name: 'validate',
    summary: 'say everything that is wrong with a job; nothing is started',
    examples: [['parallelrun validate job.yml', '']],
    takesJob: true,
    form: addJobOptions,
    load: () => import('./commands/validate.ts'),
  },
  {
    name: 'plan',
    summary: 'show what a job would do: settings and their origin, mini-batches and their sizes',
    examples: [['parallelrun plan job.yml --json', '']],
    takesJob: true,
    form: addJobOptions,
    load: () => import('./commands/plan.ts'),
  },
  {
    name: 'test',
    summary: 'run one mini-batch of a job in the foreground: one process, no retry',
    examples: [['parallelrun test --entry-script score.py --input images --index 3', '']],
    takesJob: true,
    form: (command) => {
      addJobOptions(command);
      command.option('--index <n>', 'which mini-batch (default 0)');
      command.option('--debug', 'wait for a debugger at the first line of run()');
      command.option('--port <n>', 'port of the debugger');
    },
    load: () => import('./commands/test.ts'),
  },
  {
    name: 'agent',
    summary: 'make this machine a node of runs with --engine',
    examples: [
      ['parallelrun agent --engine nats://head:4222', 'until Ctrl-C or TERM; then what runs is finished first'],
      [
        'parallelrun agent --engine nats://head:4222 --slots 8 --idle-exit 600',
        'ends when there was no run for ten minutes',
      ],
    ],
    takesJob: false,
    form: (command) => {
      command.option('--engine <url>', 'NATS broker: nats://host:4222, or tls:// (default: $PARALLELRUN_ENGINE)');
      command.option('--slots <n>', 'worker processes at a time (default: one for each core, or NVIDIA GPU)');
      command.option('--advertise <address>', 'address of this node in logs; unique among the nodes of a run');
      command.option('--work-folder <dir>', 'where runs get a folder while they are served (default: temporary files)');
      command.option('--run <run>', 'serve this run alone, and end with it');
      command.option('--idle-exit <seconds>', 'end when there was no run for so long');
    },
    load: () => import('./commands/agent.ts'),
  },
  {
    name: 'list',
    summary: 'list runs, newest first',
    examples: [['parallelrun list --root runs', '']],
    takesJob: false,
    form: (command) => void command.addOption(root()),
    load: () => import('./commands/list.ts'),
  },
  {
    name: 'status',
    summary: 'show how far a run is, or how it ended',
    examples: [['parallelrun status last', '']],
    takesJob: false,
    form: (command) => void command.argument('<run>', RUN_ARGUMENT).addOption(root()),
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'logs',
    summary: 'show the log files of a run, or one of them',
    examples: [
      ['parallelrun logs last', 'the tree of files and what each is'],
      ['parallelrun logs last overview.txt -f', 'follow a file until the run ends'],
    ],
    takesJob: false,
    form: (command) => {
      command.argument('<run>', RUN_ARGUMENT);
      command.argument('[path]', 'file or folder, relative to logs/ or to the run folder');
      command.option('-f, --follow', 'go on until the run ends; without a path: logs/overview.txt');
      command.addOption(root());
    },
    load: () => import('./commands/logs.ts'),
  },
  {
    name: 'errors',
    summary: 'show the errors of a run, grouped, with example, traceback and replay command',
    examples: [['parallelrun errors last', '']],
    takesJob: false,
    form: (command) => void command.argument('<run>', RUN_ARGUMENT).addOption(root()),
    load: () => import('./commands/errors.ts'),
  },
  {
    name: 'metrics',
    summary: 'show what the script recorded: metrics, tags, properties, files, models, child runs',
    examples: [['parallelrun metrics last', '']],
    takesJob: false,
    form: (command) => void command.argument('<run>', RUN_ARGUMENT).addOption(root()),
    load: () => import('./commands/metrics.ts'),
  },
  {
    name: 'models',
    summary: 'add a model to the registry of this machine, or list those it has',
    examples: [
      ['parallelrun models add digits ./model.pkl --tag stage=test', 'a file or folder, as the next version'],
      ['parallelrun models list', 'name, version, tags, path'],
    ],
    takesJob: false,
    form: (command) => {
      command.argument('<action>', 'add or list');
      command.argument('[name]', 'add: name of the model');
      command.argument('[path]', 'add: its file or folder');
      command.option('--version <n>', 'add: number of the version (default: the next one)');
      command.option('--tag <key=value>', 'add: a tag; repeatable', collect);
      command.option('--description <text>', 'add: what it is');
      command.option('--name <name>', 'list: only this model');
    },
    load: () => import('./commands/models.ts'),
  },
  {
    name: 'replay',
    summary: 'run exactly one mini-batch of a run again, in the foreground',
    examples: [
      ['parallelrun replay last/17', 'same items, code, arguments, environment'],
      ['parallelrun replay last/17 --debug', 'the same, stops in run() for a debugger'],
    ],
    takesJob: false,
    form: (command) => {
      command.argument('<run/index>', 'run and number of the mini-batch: 01JX4/17, last/17');
      command.option('--debug', 'wait for a debugger at the first line of run(), without time limits');
      command.option('--port <n>', 'port of the debugger');
      command.option('--item <n>', 'only this item of the mini-batch, from 0');
      command.addOption(new Option('--pdb', 'Python: stop in pdb where the exception was raised').conflicts('debug'));
      command.addOption(root());
    },
    load: () => import('./commands/replay.ts'),
  },
  {
    name: 'resume',
    summary: 'go on with a run that was killed, canceled or stopped; what is settled is not run again',
    examples: [
      ['parallelrun resume last', 'same code, same input, same result as if nothing had happened'],
      ['parallelrun resume last --retry-failed', 'failed mini-batches get all their tries again'],
    ],
    takesJob: false,
    form: (command) => {
      command.argument('<run>', RUN_ARGUMENT);
      command.option('--allow-code-change', 'go on although the code has changed: what is left runs the new code');
      command.option('--accept-changed-input', 'changed files of what is left are taken as they are now');
      command.option(
        '--rescan',
        'list the input again: new files come behind all others, missing ones are no reason to stop',
      );
      command.option(
        '--strict',
        'look at all input files first; files of done mini-batches must not have changed either',
      );
      command.option('--rebuild', 'run the mini-batches again whose committed rows are lost or damaged');
      command.option('--retry-failed', 'try failed mini-batches again, also of a run that has ended');
      addResumeOptions(command);
      command.addOption(root());
    },
    load: () => import('./commands/resume.ts'),
  },
  {
    name: 'verify',
    summary: 'recompute from result and ledger what became of every input item',
    examples: [
      ['parallelrun verify last', 'one line where all is well; else what, where, why'],
      ['parallelrun verify last --each', 'and a line for each mini-batch: its rows, or why it failed'],
    ],
    takesJob: false,
    form: (command) => {
      command.argument('<run>', RUN_ARGUMENT);
      command.option('--each', 'a line for each mini-batch too');
      command.addOption(root());
    },
    load: () => import('./commands/verify.ts'),
  },
  {
    name: 'cancel',
    summary: 'ask a run to end: running mini-batches finish, none is started',
    examples: [['parallelrun cancel last --now', 'workers are killed']],
    takesJob: false,
    form: (command) => {
      command.argument('<run>', RUN_ARGUMENT);
      command.option('--now', 'kill the workers instead of letting them finish');
      command.option('--wait', 'come back when no process works on the run any more');
      command.addOption(root());
    },
    load: () => import('./commands/cancel.ts'),
  },
  {
    name: 'prune',
    summary: 'remove folders of runs that have ended',
    examples: [
      ['parallelrun prune --older-than 30d --dry-run', 'only shows what would go'],
      ['parallelrun prune --keep 10', 'all but the ten newest'],
    ],
    takesJob: false,
    form: (command) => {
      command.addOption(new Option('--keep <n>', 'keep the newest n runs').conflicts('olderThan'));
      command.option('--older-than <age>', 'remove runs that ended longer ago: 12h, 30d, 4w (default: 30d)');
      command.option('--dry-run', 'remove nothing, only show');
      command.addOption(root());
    },
    load: () => import('./commands/prune.ts'),
  },
];

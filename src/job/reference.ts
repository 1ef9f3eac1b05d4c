/** What the options table says, as a page for people and as JSON Schema for editors. Pure; written by `scripts/docs.mjs`. */
import type { OptionSpec } from './options.ts';
import { OPTION_KEYS, optionSpec } from './options.ts';
import type { Shape } from './shape.ts';
import { PROFILE } from './profile-shape.ts';
import { INPUT_TYPES, OUTPUT_TYPES, PIPELINE } from './shape.ts';
import type { ValueKind } from './values.ts';
import { describeAllowed } from './values.ts';
import { unreachable } from '../domain/assert.ts';

const EXAMPLE = `\`\`\`yaml
type: pipeline
jobs:
  score:
    type: parallel
    inputs:
      images: { type: uri_folder, path: ./images }
      model: { type: uri_file, path: ./model.pkl }
    outputs:
      scores: { type: uri_file, path: ./scores.csv }
    input_data: \${{inputs.images}}
    mini_batch_size: 20
    retry_settings: { max_retries: 2, timeout: 60 }
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      program_arguments: --model \${{inputs.model}}
      append_row_to: \${{outputs.scores}}
\`\`\``;

/** `docs/reference/settings.md`. */
export function settingsPage(): string {
  const rows = OPTION_KEYS.map((key) => section(optionSpec(key)));
  return [
    '# Settings',
    '<!-- Written by scripts/docs.mjs from src/job/options.ts. Do not edit. -->',
    'A job file is a v2 pipeline with one parallel job:',
    EXAMPLE,
    'Where a setting is given in several places, the command line (flags, then `--set path=value`) wins over the ' +
      '[profile](../profile.md), that over runtime flags inside `program_arguments`, those over the job file, and that over the default. `parallelrun plan` shows the value ' +
      'of each setting and where it came from. Paths in a job file are relative to the file, paths in flags to the current folder.',
    ...rows,
    '',
  ]
    .join('\n\n')
    .trimEnd()
    .concat('\n');
}

function section(spec: OptionSpec): string {
  const facts: (readonly [string, string | undefined])[] = [
    ['job file', code(spec.yaml)],
    [
      'command line',
      spec.cli === undefined ? undefined : code([spec.cli.flag, spec.cli.argument].filter(Boolean).join(' ')),
    ],
    ['runtime flag', spec.runtimeFlag === undefined ? undefined : code(`--${spec.runtimeFlag}`)],
    ['version 1', code(spec.v1)],
    ['allowed', spec.cli !== undefined && spec.cli.argument === undefined ? undefined : describeAllowed(spec.value)],
    ['default', defaultText(spec)],
    ['unit', spec.unit],
  ];
  const lines = facts.flatMap(([label, text]) => (text === undefined ? [] : [`- ${label}: ${text}`]));
  return `## ${spec.name}\n\n${spec.help[0]?.toUpperCase() ?? ''}${spec.help.slice(1)}.\n\n${lines.join('\n')}`;
}

const code = (text: string | undefined): string | undefined => (text === undefined ? undefined : `\`${text}\``);

function defaultText(spec: OptionSpec): string | undefined {
  if (spec.fallbackText !== undefined) return spec.fallbackText;
  return spec.fallback === undefined || spec.fallback === '' ? 'none' : code(String(spec.fallback));
}

type JsonSchema = Readonly<Record<string, unknown>>;

/** `schemas/parallel-job.schema.json`: hints for editors. The compiler's own checks are the judge. */
export function jobSchema(): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: 'Written by scripts/docs.mjs from src/job/options.ts. Do not edit.',
    title: 'ParallelRun job file',
    ...shapeSchema(PIPELINE, ''),
    required: ['jobs'],
  };
}

/** `schemas/parallelrun-config.schema.json`: the same for a profile. */
export function profileSchema(): JsonSchema {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: 'Written by scripts/docs.mjs from src/job/profile-shape.ts. Do not edit.',
    title: 'ParallelRun profile',
    ...shapeSchema(PROFILE, 'profile'),
    additionalProperties: false,
  };
}

/** What the key of a profile may hold, where its shape doesn't say. */
const PROFILE_LEAVES: Readonly<Record<string, JsonSchema>> = {
  'profile.requirements': { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }] },
  'profile.pins.*': { type: ['string', 'number', 'null'] },
  'profile.worker_command': { type: 'array', items: { type: ['string', 'number'] }, minItems: 1 },
  'profile.environment_variables.*': { type: ['string', 'number', 'boolean', 'null'] },
};

const EXPRESSION: JsonSchema = { type: 'string', pattern: '\\$\\{\\{.*\\}\\}' };

function shapeSchema(shape: Shape, key: string): JsonSchema {
  if (shape.kind === 'leaf')
    return shape.option === undefined ? leafSchema(key, shape.help) : optionSchema(optionSpec(shape.option));
  const properties = Object.fromEntries(
    [...shape.keys].map(([name, inner]) => [
      name,
      shapeSchema(inner, key === '' && name === 'type' ? 'pipeline' : `${key}.${name}`),
    ]),
  );
  const each = shape.each === undefined ? undefined : shapeSchema(shape.each, `${key}.*`);
  // Literals and bindings are inputs as well; a path is an environment as well.
  const map = {
    type: 'object',
    ...(shape.keys.size > 0 ? { properties } : {}),
    ...(each && { additionalProperties: each }),
  };
  if (key === 'profile.environments.*') return { anyOf: [map, { type: 'string' }] };
  if (key.endsWith('puts.*')) return { anyOf: [map, { type: ['string', 'number', 'boolean', 'null'] }] };
  return key.endsWith('.environment') ? { anyOf: [map, { type: 'string' }] } : map;
}

function leafSchema(key: string, help: string | undefined): JsonSchema {
  const described = help === undefined ? {} : { description: help };
  if (key in PROFILE_LEAVES) return { ...described, ...PROFILE_LEAVES[key] };
  if (/^profile[.][^.]+([.][*])?$/.test(key)) return { ...described, type: 'string' };
  if (key === 'pipeline') return { const: 'pipeline' };
  if (key.endsWith('.inputs.*.type')) return { enum: INPUT_TYPES };
  if (key.endsWith('.outputs.*.type')) return { enum: OUTPUT_TYPES };
  return described;
}

function optionSchema(spec: OptionSpec): JsonSchema {
  const fallback = spec.fallback === undefined || spec.fallback === '' ? {} : { default: spec.fallback };
  const value = kindSchema(spec.value);
  const open =
    spec.value.type === 'text' ||
    spec.value.type === 'structure' ||
    spec.value.type === 'duration' ||
    spec.value.type === 'size' ||
    spec.value.type === 'bytes';
  return { description: spec.help, ...fallback, ...(open ? value : { anyOf: [value, EXPRESSION] }) };
}

function kindSchema(kind: ValueKind): JsonSchema {
  switch (kind.type) {
    case 'integer':
      return {
        type: 'integer',
        minimum: kind.min,
        ...(kind.max < Number.MAX_SAFE_INTEGER ? { maximum: kind.max } : {}),
      };
    case 'percent':
      return { type: 'number', minimum: 0, maximum: 100 };
    case 'duration':
      return { anyOf: [{ type: 'number', minimum: 0, maximum: kind.maxSeconds }, { type: 'string' }] };
    case 'size':
      return {
        anyOf: [{ type: 'integer', minimum: 1 }, { type: 'string', pattern: '^\\d+([kKmMgG][bB])?$' }, EXPRESSION],
      };
    case 'bytes':
      return { anyOf: [{ type: 'string', pattern: '^\\d+[kKmMgG][bB]$' }, EXPRESSION] };
    case 'choice':
      return {
        type: 'string',
        pattern: `^(${kind.choices.map((choice) => choice.replaceAll(/[a-zA-Z]/g, eitherCase)).join('|')})$`,
        examples: kind.choices,
      };
    case 'switch':
      return { type: 'boolean' };
    case 'text':
    case 'character':
      return { type: 'string' };
    case 'structure':
      return {};
    default:
      return unreachable(kind);
  }
}

/** JSON Schema's patterns have no flag for it, and `info` is as good as `INFO`. */
const eitherCase = (letter: string): string => `[${letter.toUpperCase()}${letter.toLowerCase()}]`;

import { resolve } from 'node:path';
import { textOf, type CommandInput } from '../command.ts';
import type { Parsed } from '../flags.ts';
import { modelsLines } from '../render/models.ts';
import { usageError } from '../usage.ts';

/** The registry of models of this machine: adds to it, or lists it. */
export async function execute(input: CommandInput): Promise<number> {
  const [action, name, path, ...more] = input.args;
  if (action === 'list' && name === undefined) return list(input);
  if (action === 'add' && name !== undefined && path !== undefined && more.length === 0) return add(input, name, path);
  throw usageError(
    action === 'add' ? 'models add needs a name and a path' : `models ${action ?? ''} is no such command`,
    {
      why: 'there are: models add NAME PATH, models list [--name NAME]',
      next: 'for example: parallelrun models add digits ./model.pkl',
    },
  );
}

async function list({ deps, console, parsed }: CommandInput): Promise<number> {
  const sdk = await deps.sdk();
  const registry = sdk.registryFolder(deps.env);
  const models = await sdk.listModels(registry, textOf(parsed, 'name'));
  for (const model of models) await console.emit({ type: 'model', ...model });
  if (!console.json) console.say(modelsLines(models, registry, console.screen()));
  return 0;
}

async function add({ deps, console, parsed }: CommandInput, name: string, path: string): Promise<number> {
  const sdk = await deps.sdk();
  const version = textOf(parsed, 'version');
  if (version !== undefined && !/^[1-9]\d{0,14}$/.test(version))
    throw usageError(`"${version}" is no value for --version`, { why: 'it takes a whole number from 1' });
  const description = textOf(parsed, 'description');
  const model = await sdk.addModel(sdk.registryFolder(deps.env), {
    name,
    path: resolve(deps.cwd, path),
    created: new Date(deps.now()).toISOString().replace(/\.\d+Z$/, 'Z'),
    tags: tagsOf(parsed),
    ...(version !== undefined && { version: Number(version) }),
    ...(description !== undefined && { description }),
  });
  await console.emit({ type: 'model', ...model });
  if (!console.json) console.say(`${model.name} version ${model.version}: azureml:${model.name}:${model.version}`);
  return 0;
}

function tagsOf(parsed: Parsed): Readonly<Record<string, string>> {
  const written: unknown[] = Array.isArray(parsed['tag']) ? parsed['tag'] : [];
  return Object.fromEntries(
    written.map((one) => {
      const [, key, value] = /^([^=]+)=(.*)$/s.exec(String(one)) ?? [];
      if (key === undefined || value === undefined)
        throw usageError(`"${String(one)}" is no value for --tag`, { why: 'it takes the form key=value' });
      return [key, value];
    }),
  );
}

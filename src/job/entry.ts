/** Finds the entry script and the name it is imported under. I/O: looks, never reads. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import path from 'node:path';
import type { EntryScript } from '../domain/plan.ts';
import type { SourceLocation } from '../domain/problem.ts';
import type { JobContext } from './context.ts';
import { isWithin, look, similarPath, toLocalPath } from './paths.ts';
import { listed, onCommandLine } from './problems.ts';
import { NODE_EXTENSIONS, PYTHON_EXTENSIONS } from './script-name.ts';
import type { Setting } from './settings.ts';
import { describeFound } from './values.ts';
import { lookUp } from './written.ts';

const DOTTED_MODULE = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/;
/** Modules that Python or the worker host has loaded before the script: an import of that name finds theirs. */
const TAKEN_MODULES = new Set(
  (
    'abc ast asyncio base64 builtins codecs collections contextlib copy csv ctypes dataclasses datetime decimal enum errno ' +
    'faulthandler functools gc glob hashlib importlib inspect io itertools json keyword linecache locale logging math ' +
    'multiprocessing operator os pathlib pickle platform posix queue random re resource select selectors shutil signal site ' +
    'socket stat string struct subprocess sys sysconfig tempfile threading time tokenize traceback types typing uuid warnings ' +
    'weakref zipfile numpy pandas pyarrow entry_script azureml azureml_user'
  ).split(' '),
);

interface Wanted {
  readonly text: string;
  readonly code: string;
  /** Absolute, as a path; a dotted module is tried after it. */
  readonly file: string;
  readonly at: SourceLocation;
}

/** @returns undefined where there is none that could be run; reported. */
export async function compileEntry(context: JobContext): Promise<EntryScript | undefined> {
  const wanted = await findWanted(context);
  if (wanted === undefined) return undefined;
  const file = await resolveFile(wanted, context);
  if (file === undefined) return undefined;
  return describe(file, wanted, context);
}

async function findWanted(context: JobContext): Promise<Wanted | undefined> {
  const { settings, problems, cwd, base, job } = context;
  const { entryScript, code } = settings;
  const text = entryScript.value;
  if (text === undefined || text === '') {
    const next = job === undefined ? 'add --entry-script FILE' : 'add entry_script: to the task';
    // One of a wrong type has been reported; asking for another would confuse.
    if (text === '' || lookUp(job?.job, 'task.entry_script') === undefined) {
      problems.error('PR1009', 'no entry script is given', {
        where: entryScript.at ?? job?.job.at() ?? onCommandLine('--entry-script'),
        next,
      });
    }
    return undefined;
  }
  const at = entryScript.at ?? onCommandLine('--entry-script', text);
  const fromFlag = isFlag(entryScript);
  const codeFolder = await findCode(code, code.value === undefined ? undefined : isFlag(code) ? cwd : base, context);
  if (code.value !== undefined && codeFolder === undefined) return undefined;
  if (!fromFlag) {
    const folder = codeFolder ?? base;
    return { text, code: folder, file: path.resolve(folder, text), at };
  }
  // A flag is a path from here; `--code src --entry-script score.py` names it below the code folder as well.
  const here = path.resolve(cwd, text);
  if (codeFolder === undefined) return { text, code: path.dirname(here), file: here, at };
  const exists = (await look(here)).ok;
  if (isFlag(code))
    return {
      text,
      code: codeFolder,
      file: exists && isWithin(here, codeFolder) ? here : path.resolve(codeFolder, text),
      at,
    };
  return isWithin(here, codeFolder)
    ? { text, code: codeFolder, file: here, at }
    : { text, code: path.dirname(here), file: here, at };
}

/** Given as a flag, not by `--set`, which speaks of the file. */
const isFlag = (setting: Setting<unknown>): boolean =>
  setting.origin === 'command line' && setting.at?.keyPath?.startsWith('--') === true;

async function findCode(
  code: Setting<string>,
  base: string | undefined,
  { problems }: JobContext,
): Promise<string | undefined> {
  if (code.value === undefined || base === undefined) return undefined;
  const where = code.at ?? onCommandLine('--code', code.value);
  const local = toLocalPath(code.value, base);
  if (!local.ok) {
    problems.error('PR2007', 'the code folder is not a local one', {
      where,
      why: `${local.error}: cannot be read here`,
      next: 'name a local folder',
    });
    return undefined;
  }
  const found = await look(local.value);
  if (found.ok && found.value.isDirectory()) return local.value;
  const similar = found.ok ? undefined : await similarPath(local.value, code.value);
  problems.error('PR2007', `the code folder ${code.value} cannot be used`, {
    where,
    why: `${local.value}: ${found.ok ? 'it is a file, not a folder' : found.error}`,
    ...(similar === undefined ? {} : { next: `did you mean ${similar}?` }),
  });
  return undefined;
}

async function resolveFile(wanted: Wanted, { problems }: JobContext): Promise<string | undefined> {
  const { text, code, at } = wanted;
  const asModule = DOTTED_MODULE.test(text) ? path.join(code, `${text.replaceAll('.', '/')}.py`) : undefined;
  let file = wanted.file;
  let found = await look(file);
  if (asModule !== undefined && !(found.ok && found.value.isFile())) {
    const module = await look(asModule);
    if (module.ok && module.value.isFile()) [file, found] = [asModule, module];
  }
  if (!isWithin(file, code)) {
    problems.error('PR2004', `the entry script ${text} lies outside the code folder`, {
      where: at,
      why: `the code folder is ${code}; only what is below it is copied for the run`,
      next: 'name a code folder that holds the script',
    });
    return undefined;
  }
  if (!found.ok) {
    const similar = await similarPath(file, text);
    problems.error('PR2001', `the entry script ${text} was not found`, {
      where: at,
      why: `${file}: ${found.error}`,
      next: similar === undefined ? 'check the path, and the folder it counts from' : `did you mean ${similar}?`,
    });
    return undefined;
  }
  if (!found.value.isFile()) {
    problems.error('PR2002', `the entry script ${text} is not a file`, {
      where: at,
      why: `${file} is ${found.value.isDirectory() ? 'a folder' : 'neither file nor folder'}`,
      next: 'name the script inside it, for example score.py',
    });
    return undefined;
  }
  const denied = await access(file, constants.R_OK).then(
    () => false,
    () => true,
  );
  if (denied)
    problems.error('PR2003', `the entry script ${text} cannot be read`, {
      where: at,
      why: `${file}: permission denied`,
      next: `chmod u+r ${file}`,
    });
  return denied ? undefined : file;
}

function describe(file: string, { text, code, at }: Wanted, { problems }: JobContext): EntryScript | undefined {
  const relative = path.relative(code, file).split(path.sep).join('/');
  const extension = path.extname(file).toLowerCase();
  const python = PYTHON_EXTENSIONS.includes(extension);
  if (!python && !NODE_EXTENSIONS.includes(extension)) {
    problems.error('PR2005', `the entry script ${text} is neither Python nor JavaScript nor TypeScript`, {
      where: at,
      why: `found ${extension === '' ? 'no extension' : describeFound(extension)}; allowed: ${listed([...PYTHON_EXTENSIONS, ...NODE_EXTENSIONS])}`,
    });
    return undefined;
  }
  const stem = relative.slice(0, relative.length - extension.length);
  if (!python) return { language: 'node', codeFolder: code, file: relative, moduleName: stem.replaceAll('/', '.') };
  const parts = stem.split('/');
  const dotted = parts.find((part) => part.includes('.'));
  if (dotted !== undefined || parts.at(-1) === '__main__') {
    problems.error('PR2006', `the entry script ${relative} cannot be imported under its name`, {
      where: at,
      why:
        dotted === undefined
          ? '__main__ is the name of the host itself'
          : `Python takes the full stop in ${dotted} for a step into a package`,
      next:
        dotted === undefined
          ? 'give the script another name'
          : `rename it, for example to ${dotted.replaceAll('.', '_')}`,
    });
    return undefined;
  }
  if (parts.length > 1 && parts.at(-1) === '__init__') parts.pop();
  const moduleName = parts.join('.');
  if (TAKEN_MODULES.has(moduleName)) {
    problems.warning('PR2008', `the entry script ${relative} has the name of a module that Python needs itself`, {
      where: at,
      why: `import ${moduleName} finds one of the two, not always the one that is meant`,
      next: 'give the script another name',
    });
  }
  return { language: 'python', codeFolder: code, file: relative, moduleName };
}

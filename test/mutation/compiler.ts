/** Which changes the compiler refuses: they never get as far as a test, `npm run check` ends before. */
import { join } from 'node:path';
import ts from 'typescript';
import { changed } from './instrument.ts';
import type { Mutant } from './instrument.ts';

/** One change of each file at a time: they are all checked together. @returns ids */
export function refusedByCompiler(root: string, mutants: readonly Mutant[]): ReadonlySet<number> {
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const files = groupByFile(mutants);
  const contents = new Map<string, { text: string; version: number }>();
  for (const file of files.keys()) contents.set(join(root, file), { text: read(join(root, file)), version: 0 });
  const plain = new Map([...contents].map(([path, { text }]) => [path, text]));
  const service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [...contents.keys()],
    getScriptVersion: (path) => String(contents.get(path)?.version ?? 0),
    getScriptSnapshot: (path) => {
      const text = contents.get(path)?.text ?? ts.sys.readFile(path);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: (of) => ts.getDefaultLibFilePath(of),
    fileExists: (path) => ts.sys.fileExists(path),
    readFile: (path) => ts.sys.readFile(path),
    directoryExists: (path) => ts.sys.directoryExists(path),
    getDirectories: (path) => ts.sys.getDirectories(path),
  });
  const isRefused = (path: string): boolean =>
    service.getSyntacticDiagnostics(path).length > 0 || service.getSemanticDiagnostics(path).length > 0;
  for (const path of contents.keys()) if (isRefused(path)) throw new Error(`${path} does not compile as it is`);
  const refused = new Set<number>();
  const rounds = Math.max(...[...files.values()].map((list) => list.length));
  for (let round = 0; round < rounds; round++) {
    for (const [file, list] of files) {
      const path = join(root, file);
      const text = plain.get(path) ?? '';
      const mutant = list[round];
      const content = contents.get(path);
      if (content) contents.set(path, { text: mutant ? changed(text, mutant) : text, version: content.version + 1 });
    }
    for (const [file, list] of files) {
      const mutant = list[round];
      if (mutant && isRefused(join(root, file))) refused.add(mutant.id);
    }
  }
  return refused;
}

function read(path: string): string {
  const text = ts.sys.readFile(path);
  if (text === undefined) throw new Error(`${path} can't be read`);
  return text;
}

function groupByFile(mutants: readonly Mutant[]): Map<string, Mutant[]> {
  const files = new Map<string, Mutant[]>();
  for (const mutant of mutants) {
    const list = files.get(mutant.file) ?? [];
    files.set(mutant.file, list);
    list.push(mutant);
  }
  return files;
}

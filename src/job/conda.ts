/** A conda file, as far as pip can stand in for it. Pure. */
import type { SourceLocation } from '../domain/problem.ts';
import type { PlacedLine } from './requirements.ts';
import type { WrittenNode } from './written.ts';
import { child, textOf } from './written.ts';

export interface CondaParts {
  /** Lines for pip, in order; those of the `pip:` list are still to be read as a requirements file. */
  readonly pip: readonly PlacedLine[];
  readonly pipSection: readonly PlacedLine[];
  readonly pythonVersion: string | undefined;
  /** As written. */
  readonly condaOnly: readonly string[];
  /** Packages that pip calls by another name. */
  readonly renamed: readonly { readonly conda: string; readonly pip: string; readonly at: SourceLocation }[];
}

/** Packages that conda calls by another name than pip does. */
const PIP_NAMES: ReadonlyMap<string, string> = new Map([
  ['pytorch', 'torch'],
  ['pytorch-cpu', 'torch'],
  ['pytorch-gpu', 'torch'],
  ['opencv', 'opencv-python-headless'],
  ['py-opencv', 'opencv-python-headless'],
  ['matplotlib-base', 'matplotlib'],
  ['msgpack-python', 'msgpack'],
  ['pytables', 'tables'],
  ['py-xgboost', 'xgboost'],
  ['dask-core', 'dask'],
  ['ruamel_yaml', 'ruamel.yaml'],
  ['seaborn-base', 'seaborn'],
  ['huggingface_hub', 'huggingface-hub'],
  ['onnxruntime-cpu', 'onnxruntime'],
  ['tensorflow-gpu', 'tensorflow'],
  ['tensorflow-base', 'tensorflow'],
  ['keras-gpu', 'keras'],
  ['pyqt', 'PyQt5'],
  ['python-graphviz', 'graphviz'],
  ['geopandas-base', 'geopandas'],
  ['numpy-base', 'numpy'],
  ['pyarrow-core', 'pyarrow'],
  ['pydantic-base', 'pydantic'],
  ['python-confluent-kafka', 'confluent-kafka'],
  ['pytorch-lightning-base', 'pytorch-lightning'],
  ['faiss', 'faiss-cpu'],
]);
/** What only conda has: compilers, libraries, drivers, other languages. */
const CONDA_ONLY = new Set([
  'cudatoolkit',
  'cudatoolkit-dev',
  'cudnn',
  'nccl',
  'pytorch-cuda',
  'pytorch-mutex',
  'cpuonly',
  'mkl',
  'mkl-service',
  'mkl_fft',
  'mkl_random',
  'intel-openmp',
  'llvm-openmp',
  'blas',
  'openblas',
  'nomkl',
  'openssl',
  'ca-certificates',
  'sqlite',
  'zlib',
  'bzip2',
  'xz',
  'tk',
  'readline',
  'ncurses',
  'ffmpeg',
  'git',
  'make',
  'openjdk',
  'nodejs',
  'gcc',
  'gxx',
  'clang',
  'compilers',
  'c-compiler',
  'cxx-compiler',
  'tzdata',
  'freetype',
  'jpeg',
  'lz4-c',
  'zstd',
  'giflib',
  'geos',
  'gdal',
  'proj',
  'hdf5',
  'cairo',
  'pango',
  'conda',
  'mamba',
  'r-base',
  'graphviz',
  'tesseract',
  'poppler',
  'imagemagick',
  'ghostscript',
  'pandoc',
  'sox',
  'portaudio',
  'curl',
  'wget',
  'unixodbc',
  'openmpi',
  'mpich',
  'fftw',
  'gsl',
  'eigen',
  'boost',
  'boost-cpp',
  'grpc-cpp',
  'arrow-cpp',
  'suitesparse',
  'cuda',
  'cuda-toolkit',
  'java-jdk',
  'maven',
  'perl',
  'rust',
  'nltk_data',
]);
const CONDA_ONLY_PREFIX = /^(lib|_|r-|cuda-|ld_impl|gcc_|gxx_|binutils|sysroot|vs2|vc14)/;
/** Python packages that begin like a C library. */
const PIP_DESPITE_PREFIX = new Set(['librosa', 'libcst', 'libsass', 'libtmux', 'libarchive-c']);

/** @returns undefined where `dependencies` is no list. A channel and a platform are nothing to pip. */
export function readConda(tree: WrittenNode): CondaParts | undefined {
  const dependencies = child(tree, 'dependencies');
  if (dependencies?.kind !== 'list') return undefined;
  const pip: PlacedLine[] = [];
  const pipSection: PlacedLine[] = [];
  const renamed: { conda: string; pip: string; at: SourceLocation }[] = [];
  const condaOnly: string[] = [];
  let pythonVersion: string | undefined;
  for (const item of dependencies.items) {
    if (item.kind === 'map') {
      const section = child(item, 'pip');
      if (section?.kind === 'list') pipSection.push(...section.items.flatMap(placedLine));
      continue;
    }
    const spec = parseSpec(textOf(item) ?? '');
    if (spec === undefined || spec.name === 'pip') continue;
    if (spec.name === 'python') pythonVersion = spec.version.replace(/^=+/, '').replace(/\.\*$/, '') || undefined;
    else if (isCondaOnly(spec.name)) condaOnly.push(textOf(item) ?? '');
    else {
      const name = PIP_NAMES.get(spec.name) ?? spec.name;
      if (name !== spec.name) renamed.push({ conda: spec.name, pip: name, at: item.at() });
      pip.push({ text: `${name}${pipVersion(spec.version)}`, at: item.at() });
    }
  }
  return { pip, pipSection, pythonVersion, condaOnly, renamed };
}

/** A line of a list in YAML; what is no text is none. */
export function placedLine(node: WrittenNode): readonly PlacedLine[] {
  const text = textOf(node);
  return text === undefined ? [] : [{ text, at: node.at() }];
}

function isCondaOnly(name: string): boolean {
  return CONDA_ONLY.has(name) || (CONDA_ONLY_PREFIX.test(name) && !PIP_DESPITE_PREFIX.has(name));
}

/** `conda-forge::numpy=1.24=py39_0` to name and version part. */
function parseSpec(text: string): { readonly name: string; readonly version: string } | undefined {
  const bare = text
    .replace(/\s+#.*$/, '')
    .trim()
    .replace(/^[^\s=<>!~]*::/, '');
  const bracket = /^([A-Za-z0-9_.-]+)\[.*?version=['"]?([^'"\]]*)['"]?.*\]$/.exec(bare);
  const match = bracket ?? /^([A-Za-z0-9_.-]+)\s*(.*)$/.exec(bare);
  return match?.[1] === undefined ? undefined : { name: match[1].toLowerCase(), version: (match[2] ?? '').trim() };
}

/** `=1.24` is "1.24 or any 1.24.x" to conda; `=1.24.1=py39_0` is that very version; the rest pip reads as well. */
export function pipVersion(version: string): string {
  if (version === '' || version === '*') return '';
  const exactBuild = /^={1,2}([^=\s]+)=\S+$/.exec(version) ?? /^([^=<>!~\s,]+)\s+\S+$/.exec(version);
  if (exactBuild?.[1] !== undefined) return `==${exactBuild[1]}`;
  const fuzzy = /^=([^=].*)$/.exec(version);
  if (fuzzy?.[1] !== undefined) return `==${fuzzy[1].replace(/\.?\*$/, '')}.*`;
  return /^\d/.test(version) ? `==${version}` : version.replaceAll(/\s+/g, '');
}

import type { RunId } from './ids.ts';
import type { Conversion, TableStep } from './transform.ts';

/** Where an effective setting came from; `plan` shows it next to each value. In falling precedence. */
export type Origin = 'command line' | 'environment variable' | 'profile' | 'program arguments' | 'job file' | 'default';

/**
 * Format of a run folder, raised when an older version of ParallelRun would misread a newer folder.
 * 1: up to 0.1; 2: mini-batches may end in part (`partial`), stamps of input files, the job file; 3: tables of formats
 * other than CSV; 4: partition keys, queries and lists of files as inputs, results in Parquet, rows of CSV that are left
 * out, columns by name.
 */
export const RUN_FORMAT = 4;

/**
 * A compiled job: everything absolute, in milliseconds and bytes, nothing optional that has a default.
 * Made by `job/` only, stored as `state/plan.json`, and the only thing that can be executed.
 */
export interface Plan {
  /** Of the whole run folder: `RUN_FORMAT`, or an older one that can still be read. */
  readonly formatVersion: 1 | 2 | 3 | 4;
  readonly runId: RunId;
  /** Absolute; `<root>/<run id>`. */
  readonly runFolder: string;
  readonly displayName: string;
  readonly experimentName: string;
  /** Key of the parallel job in its pipeline; `parallel` for runs without a job file. */
  readonly stepName: string;
  /** The job file as given, absolute; absent for runs without one. */
  readonly jobFile?: string;
  readonly entry: EntryScript;
  /** What the script finds in `sys.argv[1:]`, expressions resolved, ours and the user's together. */
  readonly scriptArguments: readonly string[];
  readonly environmentVariables: Readonly<Record<string, string>>;
  /** Models of the job by the names that the script knows. */
  readonly models?: Readonly<Record<string, ModelSpec>>;
  /** Every input of the job that is data, split or not: name to absolute path. */
  readonly dataInputs?: Readonly<Record<string, string>>;
  /** Id of the pipeline's run; absent: the run is its own. */
  readonly rootRunId?: string;
  /** What its pipeline has of it as well: its logs, and with a prefix to their names what its script measured. */
  readonly toParent?: { readonly logs: boolean; readonly metrics?: { readonly prefix: string } };
  /** Columns of CSV that hold texts and numbers hand each value over as what it is. */
  readonly mixedTypes?: true;
  /** Id of an earlier run: what it has finished is not run again. */
  readonly resumeFrom?: string;
  readonly environment: EnvironmentSpec;
  /** Absent: the interpreter is started as it is. */
  readonly workerCommand?: WorkerCommand;
  /** The profile that was used, absolute. */
  readonly profile?: string;
  /** The split inputs, in listed order; all of one kind. Empty for rank mini-batches. */
  readonly inputs: readonly InputSpec[];
  readonly cutting: Cutting;
  /** What Python scripts get of table rows; absent: a pandas DataFrame. */
  readonly miniBatchFormat?: MiniBatchFormat;
  /** The script takes several mini-batches before it has the result of the first (`enqueue` in place of `run`). */
  readonly inFlight?: boolean;
  readonly output: OutputSpec;
  /** `AZUREML_BI_OUTPUT_PATH`, absolute. */
  readonly outputFolder: string;
  /** Every other output of the job: name to absolute folder or file, created before the run. */
  readonly sideOutputs: Readonly<Record<string, string>>;
  /** Names of those `sideOutputs` that are files: only their folder is created. */
  readonly sideOutputFiles?: readonly string[];
  readonly thresholds: Thresholds;
  readonly tries: { /** retries + 1, >= 1. */ readonly maxTries: number };
  /**
   * Whether the culprits of a failed mini-batch are looked for, part by part. `auto`: unless a part shows that the
   * script's rows don't belong to items one by one; `on`: whatever the parts return. Plans before 0.2 have none: `off`.
   */
  readonly isolate?: 'auto' | 'on' | 'off';
  /** A worker is replaced by a new one after so much; absent: never. */
  readonly recycle?: { readonly afterMiniBatches?: number; readonly afterGrowthBytes?: number };
  /** Resident memory that a worker process and what it starts may use; absent: what the machine has. */
  readonly memoryLimitBytes?: number;
  readonly limits: Limits;
  /** Worker processes per node, >= 1. */
  readonly processesPerNode: number;
  readonly nodeCount: number;
  /** Broker through which nodes join, without what is secret of its address; absent: this machine alone. */
  readonly engine?: string;
  /** Of the worker time of nodes that several runs have; default 1. */
  readonly share?: number;
  /** Runs with a higher one get places on nodes first; default 0. */
  readonly priority?: number;
  readonly loggingLevel: 'DEBUG' | 'INFO' | 'WARNING';
  /** 0 = off. */
  readonly resourceMonitorIntervalMs: number;
  /** `cProfile` or `profile` for one profile per worker, else absent. */
  readonly profilingModule?: 'cProfile' | 'profile';
  readonly allowEmpty: boolean;
  /** Inputs that are fetched before they are listed, outputs that are uploaded at the end. Nothing secret stands here. */
  readonly remote?: RemotePlaces;
  /** `--advertise`. */
  readonly advertise?: string;
  /** Setting name (as in the options table of `job/options.ts`) to its origin. */
  readonly origins: Readonly<Record<string, Origin>>;
}

export interface RemotePlaces {
  readonly inputs: readonly RemoteInput[];
  readonly outputs: readonly RemoteOutput[];
}

/** Split and side inputs alike. */
export interface RemoteInput {
  readonly name: string;
  /** Without signature and password. */
  readonly url: string;
  readonly kind: 'file' | 'folder';
  /** Absolute: a link to the folder that stands for the URL, or for that of its file. */
  readonly local: string;
  /** It is several inputs: all of it is fetched, whatever the pattern of one of them. */
  readonly whole?: true;
}
export interface RemoteOutput {
  readonly name: string;
  readonly url: string;
  readonly kind: 'file' | 'folder';
  /** Absolute file or folder, below the run folder. */
  readonly local: string;
  readonly overwrite: boolean;
}

export interface EntryScript {
  readonly language: 'python' | 'node';
  /** Absolute folder that is snapshotted and first on the import path. */
  readonly codeFolder: string;
  /** Path of the script relative to `codeFolder`, POSIX: `score.py`, `pkg/main.py`, `score.ts`. */
  readonly file: string;
  /** Dotted name it is imported under: `score`, `pkg.main`. */
  readonly moduleName: string;
}

export interface ModelSpec {
  /** Absolute: its file, or its folder. */
  readonly path: string;
  /** In the registry; absent: a path that somebody gave. */
  readonly version?: number;
}

/** Contract 1.5, in order: named interpreter, built environment, `python3` on the PATH. */
export type EnvironmentSpec =
  | { readonly kind: 'interpreter'; readonly path: string }
  | {
      readonly kind: 'requirements';
      /** Lines for pip, conda-only parts removed. */
      readonly pip: readonly string[];
      /** `python=3.10` of a conda file: asked for, checked and reported. */
      readonly pythonVersion?: string;
      /** Conda packages that have no pip counterpart known to us: reported. */
      readonly condaOnly: readonly string[];
      /** File it came from, absolute, for messages. */
      readonly source: string;
      /** Where each line of `pip` stands, for messages; absent for those nobody knows. */
      readonly places?: Readonly<Record<string, RequirementPlace>>;
      /** Absolute path of the interpreter the environment is made of; absent: one that is found. */
      readonly base?: string;
      /** The packages of the base stay visible below those of `pip`. */
      readonly onTop?: true;
    }
  | { readonly kind: 'path' };

export interface RequirementPlace {
  readonly file: string;
  readonly line?: number;
  /** Not the job asks for it, but the command line or the profile: there it is mended. */
  readonly added?: true;
}

/** What starts the workers, such as a container. */
export interface WorkerCommand {
  /** Stand before interpreter and arguments; `{run}` and the like are filled in when the run is prepared. */
  readonly words: readonly string[];
  /** Interpreter behind the command, where it isn't that of the environment: a name or path that means something there. */
  readonly python?: string;
}

/** A pandas DataFrame, a pyarrow Table, a polars DataFrame, a list of dicts. */
export type MiniBatchFormat = 'pandas' | 'pyarrow' | 'polars' | 'list';

/** Which files below a root: all of them, a glob relative to the root, one file, or a list of them. */
export type Selection =
  | { readonly by: 'all' }
  | { readonly by: 'glob'; readonly pattern: string }
  | { readonly by: 'one'; readonly file: string }
  | {
      /** Those that a list names, in its order, each as often as it stands there. */
      readonly by: 'list';
      /** Absolute path of the list. */
      readonly file: string;
      /** It is CSV, and they stand in `column`; else it has a path a line. */
      readonly csv?: CsvDialect;
      readonly column?: string;
    };

export type InputSpec =
  | {
      readonly kind: 'files';
      readonly name: string;
      readonly root: string;
      readonly select: Selection;
      /** URL that the root stands for, of data that lies elsewhere: what people are shown. */
      readonly origin?: string;
    }
  | {
      readonly kind: 'table';
      readonly name: string;
      readonly root: string;
      readonly select: Selection;
      readonly origin?: string;
      /** Of a query: that of the file its rows are written to. */
      readonly table: TableFormat;
      /** Of an MLTable: what is done with the rows of the files, in this order. The same in all inputs of a run. */
      readonly steps?: readonly TableStep[];
      /** The rows are those of a query, and `root` and `select` stand for the database. */
      readonly query?: QuerySpec;
    };

export interface QuerySpec {
  readonly engine: 'sqlite' | 'duckdb';
  /** Absolute: a file, or for DuckDB a folder from which relative names in the query count. */
  readonly database: string;
  /** One SELECT. */
  readonly text: string;
}

/** How the files of a table input are read. A file named `.gz` or `.zst` is taken for what it holds. */
export type TableFormat =
  | (CsvDialect & SchemaDrift & { readonly format: 'csv' })
  /** A JSON object a line. */
  | { readonly format: 'jsonl'; readonly encoding?: string }
  | (SchemaDrift & { readonly format: 'parquet' })
  /** Arrow IPC, the file format (Feather 2). */
  | { readonly format: 'arrow' };

export interface SchemaDrift {
  /** Columns of its files are matched by their names. Default: all files have the same columns, in the same order. */
  readonly drift?: 'by_name';
}

export interface CsvDialect {
  /** As `TextDecoder` names it. Default UTF-8; otherwise workers read a copy in UTF-8. */
  readonly encoding?: string;
  /** One ASCII character. */
  readonly delimiter: string;
  /** One ASCII character; empty: quotes mean nothing. Default `"`; doubled within quotes it stands for itself. */
  readonly quote?: string;
  /** One ASCII character that takes the meaning from the one behind it. Default: none. */
  readonly escape?: string;
  /** One ASCII character; from it to the end of the line, outside quotes, nothing is read. Default: none. */
  readonly comment?: string;
  /**
   * Rows with another number of fields than there are columns. Default: of one that is too short the rest is missing, one
   * that is too long fails its mini-batch. `error`: they end the run; `skip`: they are left out, and told.
   */
  readonly ragged?: 'error' | 'skip';
  /** First row of each file holds the column names; else columns are `Column1`, `Column2`, ... */
  readonly header: boolean;
}

export type Cutting =
  | { readonly by: 'files'; readonly files: number }
  | { readonly by: 'bytes'; readonly bytes: number }
  | { readonly by: 'rows'; readonly rows: number }
  | {
      /** A mini-batch for each combination of key values, in the order of their first appearance. */
      readonly by: 'keys';
      readonly keys: readonly string[];
      /** How paths below the root name values: `{Store}/{date}.csv`, see `pathformat.ts`. */
      readonly format?: string;
    }
  | { readonly by: 'rank'; readonly count: number };

export type OutputFormat = 'txt' | 'csv' | 'jsonl' | 'parquet';

export type OutputSpec =
  | {
      readonly action: 'append_row';
      /** Absolute. */ readonly file: string;
      readonly format: OutputFormat;
      readonly overwrite: boolean;
    }
  | { readonly action: 'summary_only' };

export interface Thresholds {
  /** Failed items that may be ignored; -1 = any number. */
  readonly errorThreshold: number;
  /** Failed mini-batches that may be ignored; -1 = any number. */
  readonly miniBatchErrorThreshold: number;
  /** 0..100; judged once all mini-batches are created; 100 = never. */
  readonly failedPercent: number;
}

export interface Limits {
  /** One `run()`, from the worker's begin mark. */
  readonly runTimeoutMs: number;
  /** Import of the entry module plus hand-over; contract 1.3 `task_overhead_timeout`. */
  readonly overheadTimeoutMs: number;
  /** One `init()`. Default the larger of 300 s and the run limit. */
  readonly initTimeoutMs: number;
  /** One `shutdown()`. */
  readonly shutdownTimeoutMs: number;
  readonly progressTimeoutMs: number;
  readonly firstMiniBatchTimeoutMs: number;
  /** Captured output kept per mini-batch and stream: this many bytes of head and as many of tail. */
  readonly captureBytesPerTry: number;
}

/** Columns of the whole table input, decided once, so that every slice has the same types. */
export interface TableSchema {
  readonly columns: readonly Column[];
  /** True where the input was too large to look at every row: a type may not fit a row that nobody saw. */
  readonly sampled?: boolean;
}
export interface Column {
  readonly name: string;
  /**
   * pandas: int64, uint64, float64, bool, object of True/False/NaN, object of str/NaN. `json`: objects, lists, or values
   * of several kinds, as they are. `native`: as the file says (Parquet, Arrow). `datetime`: of a conversion, without zone.
   */
  readonly type: 'int64' | 'uint64' | 'float64' | 'bool' | 'nullable-bool' | 'string' | 'json' | 'native' | 'datetime';
  /** Of `native`: the type in the words of its format, for a person. */
  readonly native?: string;
  /** Of `native`: somewhere in the input a value is missing, so whole numbers are floats in every slice, as in pandas. */
  readonly missing?: boolean;
  /** What paths name, such as a partition key: it isn't in the files, and has one value in all rows of a mini-batch. */
  readonly path?: true;
  /** Read with the others, and not handed to the script. */
  readonly hidden?: true;
  /** Its values are read as those of the column `from`, and converted then. */
  readonly convert?: { readonly from: Column; readonly to: Conversion };
  /** Of CSV that is read as text to be converted: the type that was found. */
  readonly found?: Column['type'];
  /** Of texts in CSV: an empty field is an empty text, and nothing is missing. */
  readonly empty?: true;
  /** Files that don't have the column, which is missing in all their rows, and the first of them. */
  readonly lacking?: { readonly files: number; readonly example: string };
  /** Of `native` where files are matched by name: a file, absolute, that has the column in the type of all; */
  readonly like?: string;
  /** or where none has, that type. */
  readonly widened?: 'int64' | 'float64';
}

import type { RunId } from '../domain/ids.ts';

/** A job as somebody asks for it: a file, flags, or both. What is absent gets its default in `job/`. */
export interface JobRequest {
  /** v2 job file, relative to `cwd` or absolute. */
  readonly jobFile?: string;
  /** What the job file holds, where it isn't what is there now: as it was when a run was started. */
  readonly jobText?: string;
  /** Likewise the components it refers to, by absolute path. */
  readonly componentTexts?: Readonly<Record<string, string>>;
  /** Which job of the pipeline; needed where it has several. */
  readonly step?: string;
  /** The pipeline that the run is a step of. */
  readonly pipeline?: PipelinePlace;
  /** `path=value` overrides of the job file, in order. */
  readonly set?: readonly string[];
  readonly flags: WrittenFlags;
  /** Profile file, relative to `cwd` or absolute; false: none; absent: the one that is found. */
  readonly config?: string | false;
  /** Arguments after `--`: the script's own. */
  readonly scriptArguments?: readonly string[];
  /** Base of relative paths; default the process's. */
  readonly cwd?: string;
  /** For `PARALLELRUN_ROOT`, `PARALLELRUN_CONFIG` and what stores ask for; default the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Names in `azureml://datastores/<name>/paths/...`: absolute paths or URLs. */
  readonly datastores?: ReadonlyMap<string, string>;
  /** No store is asked: what lies elsewhere is taken for what it is declared to be. */
  readonly offline?: boolean;
}

/** Where a step finds the pipeline it belongs to. */
export interface PipelinePlace {
  readonly runId: RunId;
  /** Holds the folder of the pipeline's run; absolute. */
  readonly root: string;
  /** For outputs of the pipeline that have no path of their own; absolute. */
  readonly outputs: string;
  /** Outputs of other steps by `<step>.outputs.<name>`. */
  readonly stepOutputs: ReadonlyMap<string, StepOutput>;
  /** The run of the step is there and goes on: that its folder and result exist is no mistake. */
  readonly goesOn?: boolean;
}

export interface StepOutput {
  /** Absolute. */
  readonly path: string;
  readonly type: string;
  /** The step that makes it has not ended: nothing of it can be looked at. */
  readonly pending: boolean;
}

/** Options as written on the command line or in an SDK call; numbers may be text. Paths relative to `cwd`. */
export interface WrittenFlags {
  readonly entryScript?: string;
  readonly code?: string;
  readonly input?: string | readonly string[];
  /** Overrides the guess from names: `files`, `csv`, `list`. */
  readonly inputFormat?: string;
  /** SQL, or `@` and the name of the file it stands in. */
  readonly query?: string;
  readonly listColumn?: string;
  readonly tableEncoding?: string;
  /** One character each, `tab` or `none`. */
  readonly csvDelimiter?: string;
  readonly csvHeader?: string | boolean;
  readonly csvQuote?: string;
  readonly csvEscape?: string;
  readonly csvComment?: string;
  readonly csvRagged?: string;
  readonly schemaDrift?: string;
  readonly miniBatchSize?: string | number;
  readonly miniBatchFormat?: string;
  readonly miniBatchRows?: string | number;
  /** Names; on the command line also several in one text, with commas between them. */
  readonly partitionKeys?: string | readonly string[];
  readonly partitionFormat?: string;
  readonly processes?: string | number;
  readonly output?: string;
  readonly appendRowTo?: string;
  readonly summaryOnly?: boolean;
  readonly errorThreshold?: string | number;
  readonly miniBatchErrorThreshold?: string | number;
  readonly allowedFailedPercent?: string | number;
  readonly maxRetries?: string | number;
  /** Seconds, or `5m`. */
  readonly timeout?: string | number;
  readonly initTimeout?: string | number;
  readonly taskOverheadTimeout?: string | number;
  readonly progressUpdateTimeout?: string | number;
  readonly firstTaskCreationTimeout?: string | number;
  readonly resourceMonitorInterval?: string | number;
  readonly rankMiniBatchCount?: string | number;
  readonly loggingLevel?: string;
  readonly environmentVariables?: Readonly<Record<string, string>>;
  /** Name to path, `azureml:<name>:<version>` or `azureml:<name>@latest`. */
  readonly models?: Readonly<Record<string, string>>;
  readonly requirements?: string;
  /** Requirements, or files of them, installed besides those of the job. */
  readonly extraRequirements?: string | readonly string[];
  /** `old=new`, `new`, or `old=`. */
  readonly replacePin?: string | readonly string[];
  readonly name?: string;
  readonly root?: string;
  readonly python?: string;
  readonly overwrite?: boolean;
  readonly isolate?: string | boolean;
  /** `2gb`. */
  readonly memoryLimit?: string;
  readonly recycleAfterMiniBatches?: string | number;
  readonly recycleAfterGrowth?: string;
  readonly allowEmpty?: boolean;
  readonly advertise?: string;
  readonly nodeCount?: string | number;
  readonly share?: string | number;
  readonly priority?: string | number;
  /** `nats://host:4222`, with user and password where it has them. */
  readonly engine?: string;
}

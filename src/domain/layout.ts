/**
 * Names of the files and folders of a run: contract 3.1 for what users see, `state/` for what is ours.
 * Paths are POSIX; `folder` is absolute and has no trailing slash.
 */
export function runLayout(folder: string) {
  const state = `${folder}/state`;
  return {
    folder,
    logs: `${folder}/logs`,
    driverLog: `${folder}/azureml-logs/70_driver_log.txt`,
    overview: `${folder}/logs/overview.txt`,
    master: `${folder}/logs/master.txt`,
    outputs: `${folder}/outputs`,
    /** Items that were given up, a line of JSON each; there only where there are some. */
    deadLetters: `${folder}/outputs/dead_letters.jsonl`,
    /** What scripts record through `Run`: `<address>/Process-<n>.jsonl`, a line of JSON each. */
    records: `${folder}/records`,
    /** Files that scripts upload to the run; those of child runs in `children/<id>/files`. */
    files: `${folder}/files`,
    /** Everything below is private to ParallelRun (mode 0700). */
    state,
    lock: `${state}/run.lock`,
    plan: `${state}/plan.json`,
    /** In place of it, of a step that is a command. */
    command: `${state}/command.json`,
    ledger: `${state}/ledger.journal`,
    manifest: `${state}/manifest.jsonl`,
    manifestIndex: `${state}/manifest.index`,
    /** What the files of the mini-batches looked like when they were listed. */
    manifestStamps: `${state}/manifest.stamps`,
    /** The job file as it was when the run was started; only of runs that have one. */
    jobFile: `${state}/job.yml`,
    spool: `${state}/rows.spool`,
    /** Part files of large results, written by workers. */
    parts: `${state}/parts`,
    /** Compressed tables as what they hold; made while they are cut. */
    copies: `${state}/copies`,
    /** With partition keys: the files that were grouped, and what they looked like. */
    groupedFiles: `${state}/grouped.jsonl`,
    /** Rows of queries, which stay: the query may give others the next time. */
    queries: `${state}/queries`,
    /** The models of the job: `<name>/<version>/`, with links to their files. `AZUREML_MODEL_DIR`. */
    models: `${state}/models`,
    /** Inputs that lie elsewhere: links into the cache, and what each of them was. */
    inputs: `${state}/inputs`,
    /** Raw captured output of workers. */
    capture: `${state}/capture`,
    /** Snapshot of the user's code; first on the import path of every worker. */
    code: `${state}/code`,
    /** A working folder per worker. */
    work: `${state}/work`,
    /** `AZ_BATCHAI_JOB_TEMP`. */
    temp: `${state}/temp`,
    /** Its existence asks the orchestrator to cancel. */
    cancelRequest: `${state}/cancel.request`,
  } as const;
}
export type RunLayout = ReturnType<typeof runLayout>;

/** Where a model of the job is found below `layout.models`. One that has no version is its first. */
export function modelVersionFolder(layout: RunLayout, name: string, model: { readonly version?: number }): string {
  return `${layout.models}/${name}/${model.version ?? 1}`;
}

/** Log files below the run folder, as `LogSink` names them. */
export const logPath = {
  driver: 'azureml-logs/70_driver_log.txt',
  overview: 'logs/overview.txt',
  master: 'logs/master.txt',
  worker: (node: string, process: string) => `logs/worker/${node}/${process}.txt`,
  userStdout: (node: string, process: string) => `logs/user/stdout/${node}/${process}.txt`,
  userStderr: (node: string, process: string) => `logs/user/stderr/${node}/${process}.txt`,
  userError: (node: string, process: string) => `logs/user/error/${node}/${process}.txt`,
  user: (node: string, process: string) => `logs/user/${node}/${process}.txt`,
  processMonitor: (node: string, pid: number) => `logs/performance/${node}/process_resource_monitor_${node}_${pid}.csv`,
  systemMonitor: (node: string) => `logs/performance/${node}/sys_resource_monitor_${node}.csv`,
  processedMiniBatches: 'logs/job_report/processed_mini-batches.csv',
  processSummary: 'logs/job_report/process_summary.csv',
  nodeSummary: 'logs/job_report/node_summary.csv',
  jobResult: 'logs/job_result.txt',
  jobError: 'logs/job_error.txt',
  readme: 'logs/readme.txt',
  deadLetters: 'outputs/dead_letters.jsonl',
} as const;

/** What entry scripts count on. Numbers are those of contract 2; `ours` are options that the original has not. */
import type { Line } from './line.ts';
import { held } from './line.ts';

const SDK = 'e2e/entry';
const JOB = 'models, side inputs, metrics, files and child runs of a job';
const COMMANDS = 'e2e/commands';
const NODE = 'node/environment';
const VARIABLES = 'the variables of the contract, the job and the machine, but nothing that is ours';

const FUNCTIONS: readonly Line[] = [
  held('2.1 init(): not needed; once per process, after import, before the first mini-batch', ['py/life', 'test_hello_and_stages'], ['contract/ranks', 'init, run and shutdown: how often, where, and what stays']),
  held('2.1 init() has a limit of its own', ['e2e/badinput', 'an init that hangs: told while it does, ended at its limit, with the line']),
  held('2.1 run(mini_batch) is needed', ['py/life', 'test_no_run'], ['worker/failures', 'load: no run']),
  held('2.1 run: the context only where it is taken; any name for the first argument', ['py/life', 'test_second_argument_only_where_it_is_taken'], ['py/life', 'test_wrong_arity']),
  held('2.1 run: once per try, and on parts while a culprit is looked for', ['py/parts', 'test_a_part_looks_like_a_mini_batch_of_its_items'], ['e2e/faults', 'each try has its row in the report, and rows of one try only in the result']),
  held('2.1 shutdown(): once when a worker ends normally', ['py/life', 'test_shutdown_is_called_once_and_flushed'], ['contract/ranks', 'init, run and shutdown: how often, where, and what stays']),
  held('2.1 module-level code may parse arguments and ask for the run', ['e2e/seed', '7 mini-batches, rows in the order of the input'], [SDK, JOB]),
  held('2.1 one process serves many mini-batches: globals stay', ['contract/ranks', 'init, run and shutdown: how often, where, and what stays'], ['worker/host', 'runs what waits strictly one after the other, in order']),
  held('2.1 a working folder of its own for each worker; the code first on the import path', ['py/life', 'test_what_a_script_finds'], [NODE, VARIABLES]),
  held('2.1 TypeScript and JavaScript: the same three, exported, each may be async', ['worker/host', 'loads, initializes, runs, shuts down'], ['worker/host', '%s'], ['e2e/scripts', 'TypeScript with a sibling module: rows, logs, and a failure named by its .ts line']),
  held('2.1 TypeScript: files are string[], a table is an Arrow table with a view of rows', ['worker/table', 'a slice comes as rows and as an Arrow table, with the types of the whole input'], ['e2e/scripts', 'a CSV table in TypeScript']),
]; // prettier-ignore

const GIVEN: readonly Line[] = [
  held('2.2 files: a list of absolute paths, with task_id and minibatch_index', ['py/life', 'test_context_and_list'], ['contract/files', 'files with side inputs, a model and a package']),
  held('2.2 tables: a DataFrame, a slice of one file', ['py/tables', 'test_frames'], ['e2e/scripts', 'CSV by %s: every row once, in order, types as of the whole file']),
  held('2.2 tables: all rows of one combination of keys, key columns included', ['py/table_keys', 'test_columns_that_the_path_names_stand_behind_the_others'], ['contract/pipelines', 'two steps: a command makes an MLTable, a parallel step takes it by its keys']),
  held('2.2 tables: types are those of the whole input', ['py/tables', 'test_concatenated_slices_are_the_whole'], ['dataset/schema', 'a value in the last row of the last file decides']),
  held('2.2 context: minibatch_index, partition_key_value, dataset, and try_number (ours)', ['py/life', 'test_context_and_list'], ['e2e/scripts', 'both EntryScript classes and Run: logger, folders, metrics; arguments and environment reach the script'], ['contract/pipelines', 'two steps: a command makes an MLTable, a parallel step takes it by its keys']),
  held('2.2 rank mini-batches: an empty list', ['py/life', 'test_rank'], ['contract/ranks', 'rank mini-batches get an empty list, each its index']),
]; // prettier-ignore

const RETURNED: readonly Line[] = [
  held('2.3 list, tuple, generator', ['py/results', 'test_list_tuple_generator']),
  held('2.3 numpy array', ['py/results', 'test_vectors'], ['py/results', 'test_matrices']),
  held('2.3 pandas DataFrame', ['py/results', 'test_same_as_pandas_for_many_rows']),
  held('2.3 pyarrow Table, polars DataFrame', ['py/results', 'test_pyarrow'], ['py/results', 'test_polars']),
  held('2.3 succeeded items are as many as its length; more rows than items are fine; none is legal', ['core/step', 'with fewer rows than items counts the shortfall as failed items; more rows are fine']),
  held('2.3 None and other types fail the try, and the message says what came and what is allowed', ['py/runs', 'test_invalid_returns_name_type_and_place'], ['views/cause', 'say what run() returned']),
  held('2.3 append_row: a run without a row fails at its end, with that reason', ['core/step', 'is a failure where append_row got no row at all'], ['e2e/faults', 'no row at all is a failure']),
  held('2.3 summary_only: values are not kept, lengths count', ['py/runs', 'test_summary_only_counts'], ['worker/host', 'summary_only counts and keeps nothing']),
  held('2.4 list element: str(element) and a line break, in Python\'s notation where it is nested', ['py/results', 'test_elements_as_they_are'], ['py/results', 'test_numbers_keep_their_digits'], ['contract/files', 'files with side inputs, a model and a package']),
  held('2.4 an element with line breaks is one row in csv, jsonl and parquet, and as it is in txt', ['py/results', 'test_a_text_is_one_field_and_one_row'], ['e2e/data', 'rows of any content come back from .csv by three readers, and from .jsonl']),
  held('2.4 DataFrame: a line a row, one space between, no header, no index', ['py/results', 'test_formats'], ['py/results', 'test_plain_columns_as_pandas_writes_them']),
  held('2.4 .csv gets commas and a header; .jsonl and .parquet are what they are called', ['py/results', 'test_columns_for_csv_only'], ['output/output', 'CSV header'], ['output/parquetframes', 'what mini-batches return, committed in any order, is one table as pyarrow has it']),
  held('2.4 every row once, in the order of mini-batches, whatever was killed', ['e2e/resume', 'exact rows in order; committed mini-batches did not run again; at most one repeated per worker'], ['output/output', 'rows committed in any order, inline or by part file, come out in mini-batch order']),
]; // prettier-ignore

const HELPERS: readonly Line[] = [
  held('2.5 the helper of the sample works as it is', ['py/shims', 'test_helper_and_sample_verbatim'], ['py/shims', 'test_temp_dir_of_the_helper'], ['e2e/seed', 'it completes']),
  held('2.5 worker processes are called Process-N', ['node/starts', 'numbers count up, each taken once'], ['py/life', 'test_what_a_script_finds']),
  held('2.5 the address of the log folders is that of the own host name', ['py/life', 'test_what_a_script_finds'], ['e2e/seed', 'log lines of both workers stand under the same address as the worker logs']),
  held('2.5 from entry_script import EntryScript', ['py/shims', 'test_both_imports_are_one']),
  held('2.5 azureml_user.parallel_run.EntryScript: logger, log_dir, output_dir, working_dir, agent_name, logging_level, picklable, one per process', ['py/shims', 'test_both_imports_are_one'], ['py/shims', 'test_level_of_the_run_and_output_path'], ['py/shims', 'test_children_log_into_files_of_their_own']),
  held('2.5 a real azureml is there for names that we have not', ['py/shims', 'test_names_of_both'], ['py/shims', 'test_the_users_own_azureml_wins']),
]; // prettier-ignore

const API: readonly Line[] = [
  held('2.6 Run.get_context, id, parent.id, experiment.name, experiment.workspace', ['py/shims', 'test_identity'], ['py/shims', 'test_offline'], ['py/shims', 'test_without_leave_to_be_offline']),
  held('2.6 Run.log, log_list, log_row, add_properties, tag', ['py/shims', 'test_records'], [SDK, JOB]),
  held('2.6 Run.upload_file', ['py/shims', 'test_files'], [SDK, JOB]),
  held('2.6 Run.child_run: a context manager with log, upload_file, register_model, complete, fail, get_status, id', ['py/shims', 'test_children'], ['py/shims_models', 'test_register_of_a_run_and_its_children'], ['contract/models', 'child runs with files, and models that a script registers']),
  held('2.6 Model.get_model_path(name, version)', ['py/shims_models', 'test_of_the_registry'], ['py/shims_models', 'test_of_the_job_first'], ['contract/files', 'files with side inputs, a model and a package']),
  held('2.6 Model.register, Model.list, Model.download', ['py/shims_models', 'test_register_and_download'], ['py/shims_models', 'test_list'], ['contract/models', 'child runs with files, and models that a script registers']),
  held('2.6 models: of the job names folders (--model)', ['job/models', 'paths count from the job file, models of the registry are settled at once'], [SDK, 'a model that is not there is told before anything starts; one that goes away, when the run goes on']),
  held('2.6 Workspace, Experiment, Dataset, Datastore: to be passed around, with a clear error for what is not local', ['py/shims', 'test_workspace_and_experiment'], ['py/shims', 'test_inputs'], ['py/shims', 'test_what_is_not_provided']),
  held('2.6 mlflow: a folder of the run in MLFLOW_TRACKING_URI, MLFLOW_ALLOW_FILE_STORE; the job\'s experiment in MLFLOW_EXPERIMENT_NAME unless MLFLOW_EXPERIMENT_ID is set', [NODE, VARIABLES], [NODE, "mlflow keeps the user's place, and no experiment is named where one is chosen by id"], ['py/shims', 'test_the_experiment_is_there_before_mlflow_is']),
  held('2.6 AZ_BATCHAI_INPUT_AZUREML, AZ_BATCHAI_JOB_TEMP', [NODE, VARIABLES]),
  held('2.6 AZUREML_BI_OUTPUT_PATH, AZUREML_MODEL_DIR', [NODE, VARIABLES], [NODE, 'the inputs of the job and its models, for those who ask for them by name']),
  held('2.6 AZUREML_RUN_ID, AZUREML_ROOT_RUN_ID, AZUREML_EXPERIMENT_NAME, AZUREML_CR_NODE_RANK', [NODE, VARIABLES], [NODE, "a pipeline's run is the root; without one the run itself"]),
  held('2.6 AZ_BATCH_NODE_LIST, AZ_BATCHAI_JOB_MASTER_NODE_IP, AZ_BATCHAI_WORKER_IP, AZ_BATCH_IS_CURRENT_NODE_MASTER, AZ_BATCHAI_GPU_COUNT_FOUND', [NODE, VARIABLES], [NODE, 'one GPU per worker, none for those beyond; the user may switch the fault handler off']),
  held('2.6 CUDA_VISIBLE_DEVICES: one GPU per worker, none for those beyond; a successor gets that of the one before', [NODE, 'the successor of a worker that died has its GPU'], [NODE, 'one GPU per worker, none for those beyond; the user may switch the fault handler off']),
  held('2.6 PYTHONFAULTHANDLER: 1 unless it is set', [NODE, VARIABLES], [NODE, 'one GPU per worker, none for those beyond; the user may switch the fault handler off']),
  held('2.6 what scripts record and upload is bounded, and what is dropped is told', ['py/shims', 'test_more_than_is_kept_is_dropped_and_told'], ['py/shims', 'test_what_others_have_kept_counts_too']),
  held('2.6 the same modules, variables and models for scripts that a command of a pipeline starts; records kept with its step', [COMMANDS, 'a script finds the helper modules, the variables, the model; its records stay with its step'], [COMMANDS, 'in every process of the command, whatever it makes of PYTHONPATH; modules of its own come first'], [COMMANDS, 'the interpreter is the environment that was built for it; packages and sitecustomize of it work beside ours']),
  held('2.7 enqueue, get_processing_batch_number, check_all_tasks_processed, get_finished_batch_result', ['e2e/inflight', 'works on several at once; the rows stand in order, each once'], ['py/inflight', 'test_results_leave_in_order'], ['e2e/inflight', 'an exception of one, told or raised, is the failure of that one']),
  held('2.7 a death with several under way uses up no try; each runs again alone, so that the next one names its culprit', ['core/alone', 'the next one names its culprit, and only that one uses up its tries'], ['e2e/inflight', 'a death names its culprit: those that were under way beside it lose no try'], ['py/inflight', 'test_begun_before_enqueue_takes_the_process_down']),
  held('2.8 what a worker and its children write to descriptors 1 and 2 is captured per process, C and subprocesses too', ['py/runs', 'test_lines_of_c'], ['contract/ranks', 'what a script, its children and bare descriptors print reaches the driver log']),
  held('2.8 a script may close, redirect or flood them', ['py/runs', 'test_streams_replaced_closed_or_gone'], ['e2e/faults', '100 MB of prints: the run goes on, the log is bounded and keeps its end'], ['e2e/hostile', 'a mini-batch that closes standard output spoils only its own prints']),
]; // prettier-ignore

const OURS: readonly Line[] = [
  held('ours: input_format, list_column', ['job/split', '%s', 'a csv as file'], ['job/inputs', '%j'], ['job/inputs', 'is one file, and cut by files']),
  held('ours: query', ['job/inputs', 'is refused where it makes no sense']),
  held('ours: table_encoding, csv_delimiter, csv_header, csv_quote, csv_escape, csv_comment', ['job/split', '%s', 'CSV of another dialect'], ['job/split', '%s', 'JSON Lines in another encoding']),
  held('ours: csv_ragged, schema_drift', ['e2e/parquet', 'csv_ragged: error names file and line; fill names the row that is too long'], ['e2e/parquet', 'schema_drift: by_name is shown by plan, and survives a kill']),
  held('ours: mini_batch_format', ['py/table_handover', 'test_text_formats'], ['py/table_handover', 'test_numbered_formats']),
  held('ours: partition_format', ['job/split', '%s', 'keys of files']),
  held('ours: init_timeout, memory_limit, recycle_after_mini_batches, recycle_after_growth', ['job/compile', 'in a job file, and shown'], ['job/bad-jobs', '%s', 'init_timeout: 0']),
  held('ours: isolate', ['job/compile', '%j: %s'], ['e2e/isolation', 'isolate: false: the mini-batch fails whole after its tries']),
  held('ours: summary_only, overwrite, allow_empty', ['job/compile', 'refuses what is there: a file, a folder, a link, a file for a folder'], ['e2e/badinput', '--allow-empty gives a valid empty output'], ['e2e/isolation', 'summary_only: counted, and dead letters written beside no result']),
  held('ours: engine, share, priority', ['job/compile', 'comes from the environment, unless somebody says that there is none'], ['e2e/nats', 'gives rows in order, and brings the logs of all nodes under their addresses'], ['engine/gate', 'go by shares of time, whatever mini-batches take']),
  held('ours: name, root, advertise', ['job/compile', 'refuses a name that is taken, and a root that is a file'], ['job/compile', 'takes %s']),
]; // prettier-ignore

export const ENTRY_SCRIPT = [...FUNCTIONS, ...GIVEN, ...RETURNED, ...HELPERS, ...API, ...OURS];

/** Settings, flags and files. Numbers are those of contract 1. */
import type { Line } from './line.ts';
import { held, partly } from './line.ts';

const BAD = 'job/bad-jobs';
const YAML = 'job/compile';
const V1 = 'job/pipeline-v1';
const EACH = '%s';
const FLAG = 'program_arguments: %s';
const EVERY = 'takes every flag';
const CONFIG = 'every key of a parallel_run_config';
const WHOLE = 'contract/tables';
const ALL_FLAGS = 'a table by bytes, with every runtime flag and some of the script';

const SETTINGS: readonly Line[] = [
  held('1.1 task.entry_script (entry_script): a path below the code, or a dotted module', [YAML, '%j', "entryScript: 'pkg.main', code: '.'"], [BAD, EACH, "['pkg.man'"]),
  held('1.1 task.entry_script: imported as a module, so packages and siblings can be imported', ['py/life', 'test_module_in_a_package'], ['contract/files', 'files with side inputs, a model and a package']),
  held('1.1 task.code (source_directory): a copy of it is run, and stands first on the import path', ['e2e/resume', 'changed code is refused with the file named, and taken when told so'], ['py/life', 'test_what_a_script_finds'], ['job/forms', CONFIG], ['contract/forms', 'a configuration of version 1 runs']),
  held('1.1 task.environment (environment): conda_file, requirements, python', [YAML, 'builds its environment from a conda file'], [YAML, 'environment: %s']),
  held('1.1 task.program_arguments (arguments): one text or a list, flags and arguments together, all in sys.argv', [YAML, EVERY], [WHOLE, ALL_FLAGS]),
  held('1.1 task.append_row_to (output_action, append_row_file_name): absent is summary_only', [YAML, 'without append_row_to has no result file'], ['job/forms', 'without a name the rows go where they always went, and summary_only keeps none']),
  held('1.1 task.append_row_to: a uri_file is the file itself', [YAML, 'resolves expressions: side inputs, outputs, literals with their type, optional groups'], ['e2e/entry', 'models, side inputs, metrics, files and child runs of a job']),
  held('1.1 task.append_row_to: a folder gets parallel_run_step.txt', [YAML, 'becomes a plan; its paths start at the file']),
  held('1.1 mini_batch_size: number with or without unit, powers of 1024', ['job/values', 'takes every integer and unit, in powers of 1024'], [BAD, EACH, 'mini_batch_size: 10 kb']),
  held('1.1 mini_batch_size: 10 files by default', ['job/split', EACH, "'a folder', { input: 'data' }"], ['dataset/create', 'so many each, the rest in the last, with root and count']),
  held('1.1 mini_batch_size: of tables about so many bytes, 1 MB by default', ['job/split', EACH, "'a csv',"], ['dataset/create', 'by bytes, across the chunks in which the file is read']),
  held('1.1 mini_batch_size: one of a table never spans two files', ['dataset/create', 'by rows: exactly so many, never two files, in the order of the files']),
  held('1.1 mini_batch_rows (ours): exactly so many rows', ['e2e/scripts', 'CSV by %s: every row once, in order, types as of the whole file'], ['dataset/create', 'by rows: exactly so many, never two files, in the order of the files']),
  held('1.1 partition_keys: a mini-batch for each combination', ['e2e/partition', 'TypeScript'], ['contract/pipelines', 'two steps: a command makes an MLTable, a parallel step takes it by its keys']),
  held('1.1 partition_keys beside mini_batch_size: keys win, with a warning; in the forms of version 1 an error', [V1, 'keys and a size together are an error, in a configuration on its own as well'], ['job/split', EACH, "'keys of a table, whose size"], [BAD, EACH, 'partition_keys: [store]\\n    mini_batch_rows: 5']),
  held('1.1 error_threshold: -1 by default, more than that many failed items end the run', [BAD, EACH, 'error_threshold: -2'], ['contract/thresholds', 'exactly as many failures as are allowed complete, one more fails: %s', "'error_threshold'"]),
  held('1.1 mini_batch_error_threshold (allowed_failed_count): the same for mini-batches', [BAD, EACH, 'mini_batch_error_threshold: -1.5'], ['contract/thresholds', 'exactly as many failures as are allowed complete, one more fails: %s', "'mini_batch_error_threshold'"]),
  held('1.1 allowed_failed_percent: 0 to 100, judged once all are created', ['core/step', 'failed percent is judged only when all are created, and is "greater than"'], [BAD, FLAG, '--allowed_failed_percent 101']),
  held('1.1 retry_settings.max_retries (run_max_try): 2 by default, tries are one more', [YAML, 'reads runtime flags behind --, and takes the root from the environment'], [YAML, 'has a default for everything'], ['core/step', 'that fails is tried again, at another worker, after a growing pause, and fails in the end']),
  held('1.1 retry_settings.timeout (run_invocation_timeout): limit of one run(), 60 s by default, up to 259200', [BAD, EACH, 'timeout: 259201'], [YAML, 'has a default for everything'], ['node/faults', 'run over its limit: stacks, then killed; a new worker follows']),
  held('1.1 resources.instance_count (node_count): an integer of at least 1', ['job/compile', 'gives the run as many nodes as it asks for, and keeps no password'], ['e2e/nats', 'gives rows in order, and brings the logs of all nodes under their addresses'], [YAML, 'warns of what one machine cannot follow'], [BAD, EACH, 'resources: { instance_count: -1 }']),
  held('1.1 max_concurrency_per_instance (process_count_per_node): number of cores by default, one per GPU on a node with GPUs', [YAML, 'one process per GPU by default; what is given wins: %s GPUs, %s'], [YAML, 'has a default for everything'], [BAD, EACH, 'max_concurrency_per_instance: 0']),
  held('1.1 logging_level: WARNING, INFO or DEBUG, INFO by default', [BAD, EACH, 'logging_level: LOUD'], [YAML, 'has a default for everything'], ['logs/runlog', 'write both lines of every mini-batch at every logging level']),
  held('1.1 environment_variables: set in the workers', ['node/environment', 'the variables of the contract, the job and the machine, but nothing that is ours'], [BAD, EACH, 'environment_variables: A=1']),
  held('1.1 inputs, input_data (inputs, side_inputs): one is split, the others are side inputs', ['e2e/entry', 'models, side inputs, metrics, files and child runs of a job'], [BAD, EACH, "'a wrong input_data'"]),
  held('1.1 outputs (output): folders and files of the job, made before the script needs them', ['contract/files', 'files with side inputs, a model and a package']),
  held('1.1 thresholds count mini-batches only once their tries are used up', ['core/step', 'that fails is tried again, at another worker, after a growing pause, and fails in the end']),
  held('1.1 thresholds are independent: any of them ends the run', ['e2e/faults', 'more rows than items make up for nothing: each mini-batch counts by itself'], ['contract/thresholds', 'exactly as many failures as are allowed complete, one more fails: %s']),
  held('1.1 failed items: a short return counts its shortfall and fails no mini-batch', ['core/step', 'with fewer rows than items counts the shortfall as failed items; more rows are fine']),
  held('1.1 several inputs, one after the other', ['job/split', 'several inputs, in listed order, and file URLs'], ['dataset/create', 'inputs come as listed; none shares a mini-batch with another']),
  held('1.1 step names of version 1: 3 to 32 characters of a fixed alphabet', [V1, 'called %s', "['a', false]"]),
  held('1.1 user arguments that version 1 refuses: none is refused here, those that are runtime flags are read as such, and all reach the script', [V1, 'arguments that version 1 refuses are taken: %s'], [WHOLE, ALL_FLAGS]),
  held('1.1 characters that no append file name may hold', [YAML, 'refuses the name %j'], ['contract/thresholds', 'each character that a result name may not hold is refused: %s']),
]; // prettier-ignore

const JOB_FILES: readonly Line[] = [
  held('1.2 a job of a pipeline, type: parallel', [YAML, 'becomes a plan; its paths start at the file'], [BAD, EACH, "'another type'"]),
  held('1.2 a component file of type parallel', ['job/forms', 'on its own, its input named on the command line'], ['job/forms', 'its paths count from its own file, those of the job from the job file']),
  held('1.2 jobs and components of type command', ['e2e/pipeline', 'whose second parallel step fails once: message, states, resume, result, reuse'], ['e2e/pipeline', 'gets paths with blanks as one word, and literals as they are']),
  held('1.2 pipeline: display_name, description, experiment_name, tags, settings.default_compute, settings.default_datastore', [BAD, 'of the format that mean nothing here are no word worth'], [YAML, 'resolves expressions: side inputs, outputs, literals with their type, optional groups']),
  held('1.2 pipeline: inputs, outputs, jobs', ['job/forms', 'steps in an order in which they can run'], ['e2e/pipeline', 'whose second parallel step fails once: message, states, resume, result, reuse']),
  held('1.2 input: literals keep their type', [YAML, 'resolves expressions: side inputs, outputs, literals with their type, optional groups']),
  held('1.2 input types uri_folder, uri_file', [BAD, EACH, "'a folder as file'"], [BAD, EACH, "'a file as folder'"], [BAD, EACH, "'an unknown type'"]),
  held('1.2 input type mltable', ['job/mltable', 'with delimited files: paths, delimiter, header, encoding']),
  held('1.2 inputs that are registered models or data: azureml:NAME:VERSION, azureml:NAME@latest, azureml:NAME/versions/N', ['job/assets', '%s is that of the registry'], ['job/assets', '%s is not there'], ['job/assets', '%s is what the profile says'], ['job/assets', 'one that is not known: the line to put into the profile']),
  held('1.2 input types mlflow_model, custom_model, string, number, integer, boolean', ['contract/forms', 'inputs of every type and mode reach the arguments: %s']),
  held('1.2 input modes ro_mount, download, direct, eval_mount, eval_download: the path of the data as it is', ['contract/forms', 'inputs of every type and mode reach the arguments: %s']),
  held('1.2 input optional, default', ['job/forms', 'its paths count from its own file, those of the job from the job file'], ['job/forms', '%s', 'an input too few']),
  held('1.2 output types uri_folder, uri_file, mltable, modes rw_mount, upload', ['contract/forms', 'outputs of every type and mode have a place: %s'], [BAD, EACH, "'an output of a wrong type'"]),
  held('1.2 output path with ${{name}} and ${{default_datastore}}', ['contract/forms', '%s: without a profile a folder stands for it, and it is said once', 'that of every workspace'], ['contract/forms', 'is what the profile says'], ['contract/forms', 'inputs come from the folder only where it has them'], [YAML, 'resolves expressions: side inputs, outputs, literals with their type, optional groups']),
  held('1.2 expressions: parent.inputs, parent.outputs, parent.jobs.j.outputs.o, inputs, outputs, name', ['job/forms', 'all mistakes of all steps at once, each with its line'], [BAD, 'names what was meant'], [YAML, 'resolves expressions: side inputs, outputs, literals with their type, optional groups']),
  held('1.2 optional group $[[...]]: dropped with its input', ['job/arguments', 'stay with a value, go without'], ['job/arguments', 'go without an input that the job does not have; one that looks misspelt is told']),
  held('1.2 component: ./file.yml, its paths relative to it', ['job/forms', 'its paths count from its own file, those of the job from the job file']),
  held('1.2 component: azureml:name@version is a clear error', ['job/forms', 'that is %s', "'of a workspace'"]),
  held('1.2 --set path=value: any path, any number of times', ['job/yaml', 'the last of several wins'], [YAML, 'command line, then --set, then runtime flags, then the file, then defaults']),
  held('1.2 MLTable paths: file, folder, pattern', ['job/mltable', 'with delimited files: paths, delimiter, header, encoding'], ['job/mltable', 'refuses %s', 'a path of another kind']),
  held('1.2 MLTable read_delimited: delimiter, encoding, header, support_multi_line', ['job/mltable', 'with delimited files: paths, delimiter, header, encoding'], ['contract/pipelines', 'two steps: a command makes an MLTable, a parallel step takes it by its keys']),
  held('1.2 MLTable read_delimited: empty_as_string, include_path_column', ['contract/mltable', 'every transformation, in order, by rows, for %s'], ['dataset/transforms', 'what is left of a table is what its transformations say'], ['job/mltable', 'refuses %s, with its line', 'a column of paths']),
  held('1.2 MLTable read_parquet, read_json_lines', ['job/mltable', '%s reads files of any name']),
  held('1.2 MLTable extract_columns_from_partition_format', ['dataset/transforms', 'what is left of a table is what its transformations say'], ['contract/mltable', 'every transformation, in order, by rows, for %s'], ['job/mltable', 'names partition keys in its paths'], ['contract/pipelines', 'two steps: a command makes an MLTable, a parallel step takes it by its keys']),
  held('1.2 MLTable drop_columns, keep_columns, convert_column_types, filter, skip, take', ['contract/mltable', 'every transformation, in order, by rows, for %s'], ['contract/mltable', 'JSON Lines by partition keys, for %s'], ['dataset/transforms', 'what is left of a table is what its transformations say'], ['contract/forms', 'a transformation is taken, or refused with its place: %s']),
  held('1.2 unknown and misplaced keys: a warning with the place and the nearest known one', [BAD, 'that are misspelt, misplaced, of version 1, of nobody'], ['contract/forms', 'misspelt keys of a deployment and of a configuration name what was meant']),
  held('1.2 a bad value: an error with file, line, path, what was found and what is allowed', [BAD, 'says what was found, what is allowed, where, and how to mend it']),
  held('1.2 all mistakes of a file at once', [BAD, 'in the order of the file, errors first']),
  held('1.2 parallel_run_config of version 1: mini_batch_size, error_threshold, output_action, logging_level, compute_target_name, node_count, process_count_per_node, entry_script, source_directory, description, run_invocation_timeout, run_max_try, append_row_file_name, allowed_failed_count, allowed_failed_percent', ['job/forms', CONFIG], ['job/forms', 'a bad value names its own line, an unknown key is told'], ['contract/forms', 'a configuration of version 1 runs']),
  held('1.2 parallel_run_config of version 1: environment', ['contract/forms', 'the environment of a configuration of version 1 is that of the run']),
  held('1.2 the pipeline YAML of version 1: steps of type ParallelRunStep and PythonScriptStep, parameters, data_references, inputs, side_inputs, outputs, arguments, allow_reuse', ['contract/forms', 'the pipeline YAML of version 1 runs: two steps, data references, parameters, configuration in a file'], [V1, 'its settings, inputs, side inputs, arguments and output'], [V1, 'several inputs are split one after the other, in listed order']),
  held('1.2 other types of step of version 1 are a clear error', [V1, '%s is told', 'a step of another type']),
  partly('1.2 task.type: model', 'refused with PR1007: a job of a model alone has no script to run', ['contract/forms', '%s', "['a job of a model'"]),
]; // prettier-ignore

const FLAGS: readonly Line[] = [
  held('1.3 --error_threshold, --allowed_failed_count, --allowed_failed_percent', [WHOLE, ALL_FLAGS], [BAD, FLAG, '--error_threshold x']),
  held('1.3 --run_invocation_timeout, --run_max_try, --process_count_per_node, --logging_level', [WHOLE, ALL_FLAGS], [BAD, FLAG, '--run_max_try 0']),
  held('1.3 --task_overhead_timeout: 30 s; bounds loading and handing over', [WHOLE, ALL_FLAGS], ['node/faults', 'a worker that takes a mini-batch and never begins it: overhead-timeout for that one only']),
  held('1.3 --progress_update_timeout: 3 x (timeout + overhead)', [WHOLE, ALL_FLAGS], [YAML, EVERY], ['core/step', 'workers hold mini-batches and none ends']),
  held('1.3 --first_task_creation_timeout: 600 s, a warning each minute', [WHOLE, ALL_FLAGS], ['core/step', 'no mini-batch created: a warning each minute, the end at the limit']),
  held('1.3 --resource_monitor_interval: 5 s here, 0 is off', [WHOLE, ALL_FLAGS], ['node/sampler', 'a short run has a sample of each, none where they are off']),
  held('1.3 --profiling_module: cProfile or profile, one profile per worker', [BAD, FLAG, '--profiling_module yappi'], ['py/debug', 'test_one_profile_per_worker'], [WHOLE, ALL_FLAGS]),
  held('1.3 --copy_logs_to_parent, --push_metrics_to_parent, --metrics_name_prefix: of a step also those of its pipeline', ['e2e/toparent', 'its logs are also those of the pipeline, its metrics with a prefix; what failed as well, what is reused too'], ['e2e/toparent', 'of a run without a pipeline have no effect, which is said once'], [WHOLE, ALL_FLAGS], [BAD, FLAG, '--copy_logs_to_parent maybe']),
  held('1.3 --rank_mini_batch_count: N mini-batches without input', ['dataset/create', 'ranks'], ['contract/ranks', 'rank mini-batches get an empty list, each its index']),
  held('1.3 --resume_from: finished mini-batches of an earlier run are reused', ['e2e/resume-from', 'runs what the earlier run has not finished, and leaves that as it is; a completed one is taken whole'], ['e2e/resume-from', 'refuses another run than it was: %s'], ['e2e/resume-from', 'a step takes that of an earlier pipeline']),
  held('1.3 --append_row_safe_output: always so here', [WHOLE, ALL_FLAGS], ['e2e/order', 'identical over several runs with 1, 2 and 4 processes']),
  held('1.3 --amlbi_dataframe_mixed_types: values of a column keep their own types', [WHOLE, '--amlbi_dataframe_mixed_types: each value keeps its own type, the same in every mini-batch'], ['py/table_csv', 'test_mixed_types_keep_each_value_its_own'], ['contract/forms', 'mixed types: %j %j']),
  held('1.3 --amlbi_async_mode: several mini-batches in flight in one process', ['e2e/inflight', 'works on several at once; the rows stand in order, each once'], ['e2e/inflight', 'a script without these functions is told which are missing']),
  held('1.3 unknown flags are the script\'s own', ['job/arguments', 'slips of them are named, flags of the script are not'], [WHOLE, ALL_FLAGS]),
]; // prettier-ignore

const DEPLOYMENTS: readonly Line[] = [
  held('1.4 defaults of settings: mini_batch_size 10, max_concurrency_per_instance 1, error_threshold -1, retry_settings 3 and 30 s, predictions.csv', ['job/forms', 'with its own defaults']),
  held('1.4 settings: mini_batch_size, max_concurrency_per_instance, retry_settings.max_retries, retry_settings.timeout, output_file_name, environment_variables', ['job/forms', 'settings, also those of older files at the root']),
  held('1.4 settings: error_threshold, logging_level, output_action', ['contract/forms', 'settings of a deployment: %s']),
  held('1.4 code_configuration.code, code_configuration.scoring_script', ['contract/forms', 'a deployment with a model: AZUREML_MODEL_DIR and AZUREML_BI_OUTPUT_PATH']),
  held('1.4 model, in AZUREML_MODEL_DIR', ['job/assets', 'the model of a batch deployment goes by its own name'], ['contract/forms', 'a deployment with a model: AZUREML_MODEL_DIR and AZUREML_BI_OUTPUT_PATH']),
  held('1.4 output folder, in AZUREML_BI_OUTPUT_PATH', ['contract/forms', 'a deployment with a model: AZUREML_MODEL_DIR and AZUREML_BI_OUTPUT_PATH']),
  partly('1.4 resources.instance_count', 'one node is used, with a warning', ['contract/forms', 'a deployment on several nodes: one is used, and it is said']),
]; // prettier-ignore

const ENVIRONMENTS: readonly Line[] = [
  held('1.5 files need nothing beyond the standard library of the interpreter', ['environment/prepare', 'gives python3'], ['py/table_handover', 'test_tables_of_text_are_the_same'], ['e2e/scripts', 'a Python without pandas: said at once, with what to do']),
  held('1.5 an interpreter of the command line (--python) wins', [YAML, 'an interpreter of the command line wins']),
  held('1.5 conda_file and pip requirements (--requirements): a cached environment', [YAML, 'builds its environment from a conda file'], ['environment/prepare', 'are built once, also by two at the same time, and found in the cache after that']),
  held('1.5 (ours) overrides: extra_requirements, replace_pin', ['job/environment', 'gets further requirements on top'], ['e2e/environments', 'is named with its line, why, and the override; that works; the next run starts from the cache']),
  held('1.5 two runs at once build it once', ['environment/lock', 'lets one in at a time, and everybody in the end']),
  held('1.5 the image is not run, and a line says so', [YAML, 'builds its environment from a conda file'], [BAD, EACH, 'environment: { image: x }']),
  held('1.5 otherwise python3 on the PATH', ['environment/prepare', 'gives python3'], ['environment/prepare', 'without python3 is a clear problem']),
  held('1.5 TypeScript and JavaScript run on Node', ['e2e/scripts', 'TypeScript with a sibling module: rows, logs, and a failure named by its .ts line'], ['e2e/scripts', 'JavaScript, CommonJS']),
]; // prettier-ignore

export const CONFIGURATION = [...SETTINGS, ...JOB_FILES, ...FLAGS, ...DEPLOYMENTS, ...ENVIRONMENTS];

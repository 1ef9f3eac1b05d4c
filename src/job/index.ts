/** Jobs as people write them, to plans that can be executed. */
export { withoutRuntimeFlags } from './arguments.ts';
export { compileJob } from './compile.ts';
export type { CompiledJob } from './compile.ts';
export {
  compilePipeline,
  compileStep,
  isPipeline,
  readComponents,
  stepRunId,
  stepsFolder,
} from './compile-pipeline.ts';
export type { CompiledPipeline, CompiledStep } from './compile-pipeline.ts';
export type { Surroundings } from './context.ts';
export type { EffectiveSetting } from './effective.ts';
export { OPTION_KEYS, OPTIONS, optionSpec } from './options.ts';
export type { CliFlag, OptionKey, OptionSpec } from './options.ts';
export { PLACEHOLDER } from './worker-command.ts';
export type { JobRequest, WrittenFlags } from './request.ts';

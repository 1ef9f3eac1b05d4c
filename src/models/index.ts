/** Models by name: a registry in a folder. */
export {
  addModel,
  findModel,
  isModelName,
  isModelVersion,
  listModels,
  missingModel,
  modelAmong,
  registryFolder,
} from './registry.ts';
export type { ModelVersion, NewModel } from './registry.ts';

export { coreConfig } from './config.ts';
export { Orchestrator } from './orchestrator.ts';
export type { Draft, ManifestPort, OrchestratorParts } from './ports.ts';

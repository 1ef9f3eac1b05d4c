export { coreConfig } from './config.ts';
export { Orchestrator } from './orchestrator.ts';
export type { Draft, ManifestPort, OrchestratorParts, RowsPiece } from './ports.ts';

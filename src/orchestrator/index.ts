export { coreConfig } from './config.ts';
export { FAILPOINTS } from './failpoint.ts';
export type { Failpoint, FailpointPort } from './failpoint.ts';
export { isDiskFull } from './patience.ts';
export { OutputError } from './reasons.ts';
export { Orchestrator } from './orchestrator.ts';
export type { Draft, ManifestPort, OrchestratorParts, RowsPiece } from './ports.ts';

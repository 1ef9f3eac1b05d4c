/** What composition takes from the agent. */
export type { EntryFacts, HostCommand, NodeOptions, WorkerOptions } from './options.ts';
export { findAddress } from './address.ts';
export { rawPath } from './capture.ts';
export { runInForeground } from './foreground.ts';
export type { ForegroundMiniBatch, ForegroundOptions, ForegroundResult } from './foreground.ts';

export { SpoolWriter, releasePart } from './spool.ts';
export { ExtentTable } from './extents.ts';
export { assemble, SpoolDamagedError } from './assemble.ts';
export type { Assembled } from './assemble.ts';
export { csvHeader } from './header.ts';

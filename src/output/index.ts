export { SpoolWriter, releasePart } from './spool.ts';
export type { SpoolPiece } from './spool.ts';
export { ExtentTable } from './extents.ts';
export { assemble, verifyExtent } from './assemble.ts';
export { replaceFile } from './replace.ts';
export { SpoolDamagedError } from './damaged.ts';
export type { Assembled } from './assemble.ts';
export { csvHeader } from './header.ts';
export { firstDifference, inspectResult } from './inspect.ts';

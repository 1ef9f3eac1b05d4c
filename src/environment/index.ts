/** What a run needs before its first worker starts: an interpreter, and a copy of the user's code. */
export { defaultCacheFolder } from './cache.ts';
export { interpreterBehind } from './interpreter.ts';
export { prepareEnvironment, type PreparedEnvironment, type PrepareOptions } from './prepare.ts';
export { snapshotCode, type CodeSnapshot, type SnapshotOptions } from './snapshot.ts';
export { syncTree } from './synctree.ts';

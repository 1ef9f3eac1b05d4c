/** Data that lies elsewhere: brought here before a run lists it, and taken there once its result is made. */
export { DataCache } from './cache.ts';
export { resolveDatastore, isDatastorePath, type Datastores } from './datastore.ts';
export { RemoteError, exitCodeOf, remoteProblem } from './error.ts';
export { digestOf } from './listing.ts';
export { fileName, isRemoteScheme, localName, parseLocation, type Env, type RemoteLocation } from './location.ts';
export { exists, peek, readText, type Peeked } from './peek.ts';
export { limitOf } from './room.ts';
export {
  beginStage,
  entriesBefore,
  listRemote,
  stage,
  stagedBefore,
  type Begun,
  type Staged,
  type StageOptions,
  type StageRequest,
} from './stage.ts';
export { upload, UploadFailed } from './upload.ts';

export { createMiniBatches } from './create.ts';
export type { CreationOptions } from './create.ts';
export type { MiniBatchDraft } from './draft.ts';
export { DatasetError } from './error.ts';
export { createManifest, openManifest, reopenManifest } from './manifest.ts';
export type { Manifest, ManifestEntry, ManifestPaths, ManifestReader } from './manifest.ts';
export { decideSchema } from './schema.ts';
export type { SchemaOptions } from './schema.ts';

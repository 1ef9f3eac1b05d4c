import { openManifest } from '../dataset/index.ts';
import type { MiniBatchIndex } from '../domain/ids.ts';
import { describeItem } from '../domain/minibatch.ts';
import type { MiniBatchSource } from '../domain/minibatch.ts';
import type { RunLayout } from '../domain/layout.ts';

/**
 * Names of single items, read from the stored list of mini-batches; it is opened with the first name that is asked for.
 * A list that can't be read costs the names, nothing else.
 */
export class ItemNames {
  private readonly layout: RunLayout;
  private manifest: ReturnType<typeof openManifest> | undefined;
  /** Items of one mini-batch are asked for one after the other. */
  private last: { readonly index: MiniBatchIndex; readonly source: MiniBatchSource | undefined } | undefined;

  constructor(layout: RunLayout) {
    this.layout = layout;
  }

  readonly of = (index: MiniBatchIndex, position: number): string | undefined => {
    if (this.last?.index !== index) this.last = { index, source: this.sourceOf(index) };
    return this.last.source && describeItem(this.last.source, position);
  };

  close(): void {
    this.manifest?.close();
    this.manifest = undefined;
  }

  private sourceOf(index: MiniBatchIndex): MiniBatchSource | undefined {
    try {
      this.manifest ??= openManifest({ manifest: this.layout.manifest, index: this.layout.manifestIndex });
      return JSON.parse(new TextDecoder().decode(this.manifest.read(index).source)) as MiniBatchSource;
    } catch {
      return undefined;
    }
  }
}

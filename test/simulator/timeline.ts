interface Entry {
  readonly at: number;
  readonly order: number;
  /** The life of the orchestrator it belongs to; 0: of the world, whoever lives. */
  readonly life: number;
  readonly run: () => void;
}

/** Virtual time in microseconds: a binary heap by (time, order of planning). */
export class Timeline {
  now = 0;
  events = 0;
  private readonly heap: Entry[] = [];
  private order = 0;

  plan(delay: number, life: number, run: () => void): void {
    const { heap } = this;
    const entry = { at: this.now + delay, order: this.order++, life, run };
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!before(entry, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  }

  /** Takes the next entry and moves the time to it. */
  next(): Entry | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last) return undefined;
    if (heap.length > 0) this.sink(last);
    this.now = first.at;
    this.events += 1;
    return first;
  }

  private sink(entry: Entry): void {
    const { heap } = this;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Entry, heap[child] as Entry)) child += 1;
      const below = heap[child] as Entry;
      if (!before(below, entry)) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = entry;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

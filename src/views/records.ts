/** What scripts recorded through `Run`, folded: metrics, tags, properties, files, models, child runs. Pure. */

/** One line of `records/<address>/Process-<n>.jsonl`. */
export interface Fact {
  /** ISO, UTC, to the microsecond: texts are in the order of time. */
  readonly at: string;
  readonly kind: FactKind;
  /** Id of the run it is about: the run itself, a child of it, or the pipeline's. */
  readonly run: string;
  readonly name: string;
  readonly value: unknown;
  readonly state: string;
  readonly error?: string;
}

const KINDS = [
  'metric',
  'row',
  'list',
  'table',
  'tag',
  'property',
  'file',
  'child',
  'child-end',
  'model',
  'dropped',
] as const;
export type FactKind = (typeof KINDS)[number];
const isKind = (kind: unknown): kind is FactKind => KINDS.some((known) => known === kind);

/** Undefined for what is no fact: a line that a full disk tore, or one of a later version. */
export function factOf(line: string): Fact | undefined {
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const { at, kind, run, name = '', value = null, state = '', error } = read as Record<string, unknown>;
  if (typeof at !== 'string' || typeof run !== 'string' || !isKind(kind)) return undefined;
  if (typeof name !== 'string' || typeof state !== 'string') return undefined;
  return { at, kind, run, name, value, state, ...(typeof error === 'string' && { error }) };
}

const MEASURED: readonly FactKind[] = ['metric', 'row', 'list', 'table'];

/**
 * What a line of a step says of its pipeline.
 * @param of own: id of the step's run; prefix: absent where what it measures is its own
 */
export function toPipeline(
  line: string,
  of: { readonly own: string; readonly pipeline: string; readonly prefix: string | undefined },
): Fact | undefined {
  const fact = factOf(line);
  if (fact === undefined) return undefined;
  // files and models stay where they are shown with their place
  if (fact.run === of.pipeline) return fact.kind === 'file' || fact.kind === 'model' ? undefined : fact;
  if (fact.run !== of.own || of.prefix === undefined || !MEASURED.includes(fact.kind)) return undefined;
  return { ...fact, name: `${of.prefix}${fact.name}` };
}

export interface MetricRecord {
  readonly name: string;
  readonly form: 'metric' | 'row' | 'list' | 'table';
  /** The latest one. */
  readonly last: unknown;
  readonly lastAt: string;
  readonly count: number;
  /** Of those that are numbers; absent where none is. */
  readonly min?: number;
  readonly max?: number;
  readonly mean?: number;
}

export interface RunRecords {
  readonly metrics: readonly MetricRecord[];
  /** Names to the latest values. */
  readonly tags: Readonly<Record<string, string | null>>;
  readonly properties: Readonly<Record<string, string | null>>;
  /** As often as one was uploaded, the last one counts. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly at: string }[];
  readonly models: readonly { readonly name: string; readonly version: number; readonly at: string }[];
}

export interface ChildRecords extends RunRecords {
  readonly id: string;
  readonly name: string;
  readonly parent: string;
  /** Undefined where the script hasn't said: it goes on, or its worker ended. */
  readonly state?: 'Completed' | 'Failed' | 'Canceled';
  readonly error?: string;
  readonly startedAt: string;
  readonly endedAt?: string;
}

export interface AllRecords extends RunRecords {
  /** What was recorded for the pipeline's run. */
  readonly parent?: RunRecords;
  /** In the order of their start. */
  readonly children: readonly ChildRecords[];
  /** Facts that count. */
  readonly facts: number;
  /** Lines that can't be read. */
  readonly unreadable: number;
  /** Bounds that were reached, `records` or `files`: what came after that is dropped. `why` is in words. */
  readonly dropped: readonly { readonly what: string; readonly why: string; readonly since: string }[];
}

/** Facts may come in any order; of several the latest counts, and of those at the same time the last given. */
export class RecordsFold {
  private readonly runId: string;
  private readonly rootRunId: string;
  private readonly runs = new Map<string, OneRun>();
  private facts = 0;
  private unreadable = 0;
  private readonly dropped = new Map<string, Fact>();

  constructor(runId: string, rootRunId: string) {
    this.runId = runId;
    this.rootRunId = rootRunId;
  }

  line(line: string): void {
    if (line === '') return;
    const fact = factOf(line);
    if (fact === undefined) this.unreadable += 1;
    else this.apply(fact);
  }

  apply(fact: Fact): void {
    this.facts += 1;
    if (fact.kind === 'dropped') {
      const before = this.dropped.get(fact.name);
      if (before === undefined || fact.at < before.at) this.dropped.set(fact.name, fact);
      return;
    }
    let run = this.runs.get(fact.run);
    if (run === undefined) this.runs.set(fact.run, (run = new OneRun(fact.run)));
    run.apply(fact);
  }

  records(): AllRecords {
    const own = (this.runs.get(this.runId) ?? new OneRun(this.runId)).records();
    const parent = this.rootRunId === this.runId ? undefined : this.runs.get(this.rootRunId)?.records();
    const children = [...this.runs.values()]
      .filter(({ id }) => id !== this.runId && id !== this.rootRunId)
      .map((run) => run.childRecords())
      .sort((a, b) => compare(a.startedAt, b.startedAt) || compare(a.id, b.id));
    const dropped = [...this.dropped.values()]
      .map(({ name, value, at }) => ({ what: name, why: typeof value === 'string' ? value : '', since: at }))
      .sort((a, b) => compare(a.what, b.what));
    return { ...own, ...(parent && { parent }), children, facts: this.facts, unreadable: this.unreadable, dropped };
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

interface Series {
  readonly form: MetricRecord['form'];
  readonly name: string;
  count: number;
  last: Fact;
  numbers: number;
  sum: number;
  min: number;
  max: number;
}

class OneRun {
  readonly id: string;
  private readonly series = new Map<string, Series>();
  private readonly latest = new Map<string, Fact>();
  private begun: Fact | undefined;
  private ended: Fact | undefined;
  private first = '';

  constructor(id: string) {
    this.id = id;
  }

  apply(fact: Fact): void {
    if (this.first === '' || fact.at < this.first) this.first = fact.at;
    switch (fact.kind) {
      case 'metric':
      case 'row':
      case 'list':
      case 'table':
        this.measure(fact, fact.kind);
        return;
      case 'child':
        this.begun ??= fact;
        return;
      case 'child-end':
        if (this.ended === undefined || fact.at >= this.ended.at) this.ended = fact;
        return;
      case 'tag':
      case 'property':
      case 'file':
        this.keep(fact, `${fact.kind} ${fact.name}`);
        return;
      case 'model':
        // Each version is one of its own.
        this.keep(fact, `model ${fact.name} ${String(fact.value)}`);
        return;
      case 'dropped':
        return;
      default:
        return fact.kind satisfies never;
    }
  }

  private keep(fact: Fact, key: string): void {
    const before = this.latest.get(key);
    if (before === undefined || fact.at >= before.at) this.latest.set(key, fact);
  }

  private measure(fact: Fact, form: MetricRecord['form']): void {
    const key = `${form} ${fact.name}`;
    let series = this.series.get(key);
    if (series === undefined) {
      series = { form, name: fact.name, count: 0, last: fact, numbers: 0, sum: 0, min: Infinity, max: -Infinity };
      this.series.set(key, series);
    }
    series.count += 1;
    if (fact.at >= series.last.at) series.last = fact;
    if (form !== 'metric' || typeof fact.value !== 'number') return;
    series.numbers += 1;
    series.sum += fact.value;
    series.min = Math.min(series.min, fact.value);
    series.max = Math.max(series.max, fact.value);
  }

  records(): RunRecords {
    return {
      metrics: [...this.series.values()]
        .sort((a, b) => compare(a.name, b.name) || compare(a.form, b.form))
        .map(metricOf),
      tags: this.pairs('tag'),
      properties: this.pairs('property'),
      files: this.of('file').map(({ name, value, at }) => ({ name, bytes: numberOf(value), at })),
      models: this.of('model').map(({ name, value, at }) => ({ name, version: numberOf(value), at })),
    };
  }

  childRecords(): ChildRecords {
    const state = STATES.find((known) => known === this.ended?.state);
    return {
      ...this.records(),
      id: this.id,
      name: this.begun?.name ?? this.id,
      parent: typeof this.begun?.value === 'string' ? this.begun.value : '',
      startedAt: this.begun?.at ?? this.first,
      ...(state && { state }),
      ...(this.ended && { endedAt: this.ended.at }),
      ...(this.ended?.error !== undefined && { error: this.ended.error }),
    };
  }

  private of(kind: FactKind): Fact[] {
    return [...this.latest.values()]
      .filter((fact) => fact.kind === kind)
      .sort((a, b) => compare(a.name, b.name) || numberOf(a.value) - numberOf(b.value));
  }

  private pairs(kind: FactKind): Record<string, string | null> {
    return Object.fromEntries(this.of(kind).map(({ name, value }) => [name, typeof value === 'string' ? value : null]));
  }
}

const STATES = ['Completed', 'Failed', 'Canceled'] as const;
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);

function metricOf({ form, name, count, last, numbers, sum, min, max }: Series): MetricRecord {
  const range = numbers > 0 ? { min, max, mean: sum / numbers } : {};
  return { name, form, last: last.value, lastAt: last.at, count, ...range };
}

/** Which rows an MLTable takes: its filters, `skip` and `take`, in their order, over all rows of all inputs. */
import { isMissing } from '../../domain/cells.ts';
import type { Column, InputSpec } from '../../domain/plan.ts';
import { fileColumns, picksRowsOf, readAs, stepsOf } from '../../domain/transform.ts';
import { textOf } from '../bytepath.ts';
import { csvValue, jsonValue } from '../group/values.ts';
import { afterStep, columnsIn } from './columns.ts';
import { Filter } from './filter.ts';
import type { RowValues } from './filter.ts';
import { pathValues } from './paths.ts';

/** A value of a row as it is stored; `column`: as it is where the value is asked for. */
type ReadValue = (raw: string, column: Column) => string | null;

const READ: Readonly<Record<'csv' | 'jsonl' | 'parquet' | 'arrow', ReadValue>> = {
  csv: (raw, { type, empty, convert }) => {
    const text = textOf(raw);
    if (text === '' && empty === true) return text;
    return convert || type === 'string' ? (isMissing(text) ? null : text) : csvValue(raw, type);
  },
  jsonl: (raw, column) => jsonValue(raw, readAs(column).type),
  // typed texts already; see the readers of keys
  parquet: (text) => text,
  arrow: (text) => text,
};

/** Numbers of rows. `ended`: those behind the last one that is taken were not read. */
export interface Picked {
  readonly seen: number;
  readonly taken: number;
  readonly ended: boolean;
}

type Stage = (row: RowValues) => boolean;

export class RowPicker {
  /** Columns of the files that are looked at, as they are read. */
  readonly columns: readonly Column[];
  readonly #stages: readonly Stage[];
  readonly #read: ReadValue;
  readonly #slots: ReadonlyMap<string, number>;
  #paths: ReadonlyMap<string, string | null> = new Map();
  #raws: readonly (string | null)[] = [];
  #ended = false;
  #seen = 0;
  #taken = 0;

  /** Undefined: all rows are taken. @param columns of the table, with what is done to them */
  static of(inputs: readonly InputSpec[], columns: readonly Column[] | undefined): RowPicker | undefined {
    return columns && picksRowsOf(inputs) ? new RowPicker(inputs, columns) : undefined;
  }

  private constructor(inputs: readonly InputSpec[], columns: readonly Column[]) {
    const steps = stepsOf(inputs);
    const [input] = inputs;
    const format = input?.kind === 'table' ? input.table.format : 'csv';
    this.#read = READ[format];
    const wanted = new Set(steps.flatMap((step) => (step.step === 'filter' ? columnsIn(step.condition) : [])));
    this.columns = fileColumns(columns).filter(({ name }) => wanted.has(name));
    this.#slots = new Map(this.columns.map(({ name }, slot) => [name, slot]));
    let here: readonly Column[] = fileColumns(columns).map(asFound);
    this.#stages = steps.flatMap((step): readonly Stage[] => {
      here = afterStep(here, step, format === 'csv');
      if (step.step === 'filter') return [this.#filter(new Filter(step.condition, byName(here)), byName(here))];
      if (step.step === 'skip') return [skipping(step.count)];
      return step.step === 'take' ? [this.#taking(step.count)] : [];
    });
  }

  /** No further row is taken, whatever comes. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What was decided so far. */
  get picked(): Picked {
    return { seen: this.#seen, taken: this.#taken, ended: this.#ended };
  }

  /** The rows of a file are next. */
  begin(input: InputSpec, file: string): void {
    this.#paths = new Map(pathValues(input, file));
  }

  /** @param raws values of `columns` as they are stored; null: missing. The rows come in the order of the input */
  takes(raws: readonly (string | null)[]): boolean {
    this.#raws = raws;
    this.#seen += 1;
    const isTaken = this.#stages.every((stage) => stage(this.#row));
    if (isTaken) this.#taken += 1;
    return isTaken;
  }

  readonly #row: RowValues = (name) => {
    const slot = this.#slots.get(name);
    return slot === undefined ? (this.#paths.get(name) ?? null) : (this.#raws[slot] ?? null);
  };

  #filter(filter: Filter, columns: ReadonlyMap<string, Column>): Stage {
    const values: RowValues = (name) => {
      const stored = this.#row(name);
      const column = columns.get(name);
      if (stored === null || !column || column.path === true) return stored;
      return this.#read(stored, column);
    };
    return () => filter.takes(values);
  }

  #taking(count: number): Stage {
    let left = count;
    this.#ended ||= left === 0;
    return () => {
      if (left === 0) return false;
      left -= 1;
      if (left === 0) this.#ended = true;
      return true;
    };
  }
}

function skipping(count: number): Stage {
  let left = count;
  return () => {
    if (left === 0) return true;
    left -= 1;
    return false;
  };
}

/** A column of the files in front of all steps. */
function asFound({ found, hidden: _, empty: __, ...column }: Column): Column {
  return { ...column, ...(found && { type: found }) };
}

const byName = (columns: readonly Column[]): ReadonlyMap<string, Column> =>
  new Map(columns.map((column) => [column.name, column]));

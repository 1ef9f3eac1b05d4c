/** What an MLTable does with the rows that its files hold: steps, carried out in their order. */
import type { Column, InputSpec } from './plan.ts';
import type { SourceLocation } from './problem.ts';

export type TableStep = { readonly at: SourceLocation } & (
  | { readonly step: 'drop' | 'keep'; readonly columns: readonly string[] }
  | { readonly step: 'convert'; readonly columns: readonly string[]; readonly to: Conversion }
  /** Columns of what paths name, see `pathformat.ts`. */
  | { readonly step: 'extract'; readonly format: string }
  /** The path of the file becomes the column `Path`. */
  | { readonly step: 'path' }
  /** Empty fields of CSV are texts where their column holds texts. */
  | { readonly step: 'empty' }
  | { readonly step: 'filter'; readonly text: string; readonly condition: Condition }
  | { readonly step: 'skip' | 'take'; readonly count: number }
);

/** Missing values stay missing. See `convert.ts` for what is taken. */
export type Conversion =
  | { readonly type: 'string' | 'int' | 'float' }
  | {
      readonly type: 'boolean';
      /** Both or none: texts that stand for true and for false. */
      readonly trueValues?: readonly string[];
      readonly falseValues?: readonly string[];
      /** What any other value becomes; absent: it is an error of its row. */
      readonly otherwise?: boolean;
    }
  /** Formats as of `strptime`, tried in their order; empty: ISO 8601. */
  | { readonly type: 'datetime'; readonly formats: readonly string[] };

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type Operand =
  | { readonly column: string }
  /** `digits`: of a whole number that a double doesn't hold. */
  | { readonly value: string | number | boolean | null; readonly digits?: string };
export type Condition =
  | { readonly op: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly op: 'not'; readonly of: Condition }
  | { readonly op: Comparison; readonly left: Operand; readonly right: Operand }
  | { readonly op: 'is null'; readonly column: string }
  /** A column of truth values by itself. */
  | { readonly op: 'truth'; readonly column: string };

/** A column as its values are read, before they are converted. */
export const readAs = (column: Column): Column => column.convert?.from ?? column;

/** Columns that the files of a table hold, in their order, as they are read. */
export function fileColumns(columns: readonly Column[]): readonly Column[] {
  return columns.filter(({ path }) => path !== true).map(readAs);
}

/** Of an MLTable: the same in all inputs of a run. */
export function stepsOf([input]: readonly InputSpec[]): readonly TableStep[] {
  return input?.kind === 'table' ? (input.steps ?? []) : [];
}

/** Whether some rows are left out, or may be. */
export const picksRowsOf = (inputs: readonly InputSpec[]): boolean =>
  stepsOf(inputs).some(({ step }) => step === 'filter' || step === 'skip' || step === 'take');

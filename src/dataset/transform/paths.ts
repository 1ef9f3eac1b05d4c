/** What the path of a file says of its rows: values of columns. */
import { convert } from '../../domain/convert.ts';
import type { KeyValues } from '../../domain/minibatch.ts';
import { parsePathFormat } from '../../domain/pathformat.ts';
import type { PathFormat } from '../../domain/pathformat.ts';
import type { Column, InputSpec } from '../../domain/plan.ts';
import { joinText } from '../bytepath.ts';
import { DatasetError, datasetProblem } from '../error.ts';
import { walk } from '../walk.ts';
import type { WalkOptions } from '../walk.ts';
import { stepsOf } from '../../domain/transform.ts';
import { PATH_COLUMN } from './columns.ts';

/**
 * Values by name; undefined where the path is not of this form. A format begins with the first name and goes to the end of
 * the path: what lies in front of it may belong to the root of the input.
 */
export function matchPath(format: PathFormat, root: string, file: string): ReadonlyMap<string, string> | undefined {
  const found = format.match(file);
  if (found || format.depth === undefined) return found;
  const segments = joinText(root, file)
    .split('/')
    .filter((segment) => segment !== '');
  return format.match(segments.slice(-format.depth).join('/'));
}

/** @param file below the root of the input. @throws DatasetError PR3303 where it isn't of the form that is asked for */
export function pathValues(input: InputSpec, file: string): KeyValues {
  const steps = stepsOf([input]);
  const shown = joinText(input.origin ?? input.root, file);
  return steps.flatMap((step): KeyValues => {
    if (step.step === 'path') return [[PATH_COLUMN, shown]];
    if (step.step !== 'extract') return [];
    const format = parsePathFormat(step.format);
    const found = typeof format === 'string' ? undefined : matchPath(format, input.root, file);
    if (!found) throw noMatch(shown, step.format);
    return [...found];
  });
}

/** @throws DatasetError PR3303, PR3301 where the path of any file says nothing, or not what its column takes */
export async function checkPaths(
  inputs: readonly InputSpec[],
  columns: readonly Column[],
  options: WalkOptions,
): Promise<void> {
  if (!stepsOf(inputs).some(({ step }) => step === 'extract')) return;
  const converted = columns.filter(({ path, convert: conversion }) => path === true && conversion);
  for (const input of inputs)
    for await (const names of walk(input, options))
      for (const name of names) {
        const values = new Map(pathValues(input, name));
        for (const { name: column, convert: conversion } of converted) {
          const value = values.get(column) ?? null;
          if (conversion && convert(value, conversion.to) === undefined) throw noValue(joinText(input.root, name), column, value, conversion.to.type); // prettier-ignore
        }
      }
}

export function noMatch(path: string, format: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3303',
      what: 'the path of a file does not match partition_format',
      file: path,
      why: `its end is not of the form ${format}`,
      next: 'leave the file out with a pattern such as data/*/*.csv, or write the format so that it takes all files',
    }),
  );
}

function noValue(path: string, column: string, value: string | null, type: string): DatasetError {
  return new DatasetError(
    datasetProblem({
      code: 'PR3303',
      what: `what the path of a file says of ${JSON.stringify(column)} is no ${type}`,
      file: path,
      why: `found ${JSON.stringify(value)}`,
      next: "leave the file out with a pattern, or don't convert the column",
    }),
  );
}

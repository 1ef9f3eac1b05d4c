/** `azureml://datastores/<name>/paths/<path>`, by a table of names. Pure. */
import type { Problem, Result } from '../domain/problem.ts';
import { err, ok } from '../domain/problem.ts';

export type Datastores = ReadonlyMap<string, string>;

const SHORT = /^azureml:\/\/datastores\/([^/]+)(?:\/paths(?:\/(.*))?)?$/is;
const LONG =
  /^azureml:\/\/subscriptions\/[^/]+\/resourcegroups\/[^/]+\/workspaces\/[^/]+\/datastores\/([^/]+)(?:\/paths(?:\/(.*))?)?$/is;

export const isDatastorePath = (text: string): boolean => /^azureml:\/\//i.test(text);

export type DatastoreProblem = Pick<Problem, 'what' | 'why' | 'next'> & { readonly code: 'PR3606' | 'PR3609' };

/** @returns the path or URL that the name stands for, with the rest behind it */
export function resolveDatastore(text: string, datastores: Datastores): Result<string, DatastoreProblem> {
  const [, name, path = ''] = SHORT.exec(text) ?? LONG.exec(text) ?? [];
  if (name === undefined) {
    return err({
      code: 'PR3606',
      what: `the path ${text} is not understood`,
      why: 'allowed: azureml://datastores/<name>/paths/<path>',
      next: 'check how it is written',
    });
  }
  const target = datastores.get(name);
  if (target === undefined) {
    const known = [...datastores.keys()].sort();
    return err({
      code: 'PR3609',
      what: `the datastore ${name} is not known`,
      why: known.length === 0 ? 'no datastores are named in a profile' : `known are: ${known.join(', ')}`,
      next: sayWhere(name),
    });
  }
  if (path === '') return ok(target);
  // The signature of a URL stays behind the path.
  const at = target.includes('://') ? target.indexOf('?') : -1;
  const [base, query] = at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at)];
  return ok(`${base.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}${query}`);
}

/** What to do about a name that isn't known. */
export const sayWhere = (name: string): string =>
  `say in parallelrun.config.yml where it is:\ndatastores:\n  ${name}: /a/folder or https://account.blob.core.windows.net/container`;

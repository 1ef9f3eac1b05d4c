/**
 * Programs of the dataset that are started by their path: as they were built, also from the sources, which Node can't start.
 * This file lies two folders below the package, as all built ones do that it may become part of.
 */
import { fileURLToPath } from 'node:url';

const built = (program: string): string => fileURLToPath(new URL(`../../dist/dataset/${program}.js`, import.meta.url));

/** Carries out a query. */
export const QUERY = built('query/main');

/** Every line of what existing jobs and entry scripts count on, with the tests that hold it. Its own test is beside it. */
import { CONFIGURATION } from './configuration.ts';
import { ENTRY_SCRIPT } from './entry-script.ts';
import type { Line } from './line.ts';

export const TABLE: readonly Line[] = [...CONFIGURATION, ...ENTRY_SCRIPT];

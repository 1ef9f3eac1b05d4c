import type { ParallelJob } from './pipeline.ts';
import type { Places } from './places.ts';
import type { Problems } from './problems.ts';
import type { References } from './references.ts';
import type { JobRequest } from './request.ts';
import type { Settings } from './settings.ts';

/** What the compilers of stage 3 share. */
export interface JobContext {
  readonly request: JobRequest;
  /** Base of relative paths given as flags; absolute. */
  readonly cwd: string;
  /** Base of relative paths in the job file; `cwd` without one. */
  readonly base: string;
  /** Absent for runs without job file. */
  readonly job: ParallelJob | undefined;
  readonly settings: Settings;
  readonly references: References;
  readonly runFolder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly problems: Problems;
  /** Where paths lead. */
  readonly places: Places;
}

/** What is not the same twice comes in here, so that tests can hold it still. */
export interface Surroundings {
  readonly now: () => Date;
  /** Four letters or digits, lower case. */
  readonly letters: () => string;
  readonly processors: number;
}

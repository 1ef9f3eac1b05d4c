import type { MlTable } from './mltable.ts';
import type { ParallelJob } from './pipeline.ts';
import type { Places } from './places.ts';
import type { Problems } from './problems.ts';
import type { Profile } from './profile-read.ts';
import type { References } from './references.ts';
import type { JobRequest } from './request.ts';
import type { Settings } from './settings.ts';

/** What the compilers of stage 3 share. */
export interface JobContext {
  readonly request: JobRequest;
  /** Base of relative paths given as flags; absolute. */
  readonly cwd: string;
  /** Base of the paths of code and environment in the job file, or in the component; `cwd` without one. */
  readonly base: string;
  /** Base of the paths of inputs and outputs: always the folder of the job file. */
  readonly dataBase: string;
  /** Absent for runs without job file. */
  readonly job: ParallelJob | undefined;
  readonly settings: Settings;
  readonly references: References;
  /** What the split input is, where it is of type `mltable`. */
  readonly table?: MlTable;
  readonly runFolder: string;
  readonly profile: Profile | undefined;
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
  /** Of this machine. */
  readonly gpus: number;
}

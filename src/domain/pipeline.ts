/** Words of a pipeline: jobs that hand their outputs on, each of which is a run of its own. */
import type { RunId } from './ids.ts';
import type { EnvironmentSpec, ModelSpec, RemotePlaces } from './plan.ts';
import type { ExitCode } from './problem.ts';

export const PIPELINE_FORMAT = 1;

/** What is known of a pipeline before it runs. Stored as `state/pipeline.json`. */
export interface PipelinePlan {
  readonly formatVersion: number;
  readonly runId: RunId;
  /** Absolute. */
  readonly runFolder: string;
  readonly displayName: string;
  readonly experimentName: string;
  /** Absolute. */
  readonly jobFile: string;
  /** In an order in which they could run one after the other. */
  readonly steps: readonly PipelineStep[];
  /** Steps that don't need one that failed are still begun. */
  readonly continueOnFailure: boolean;
}

export interface PipelineStep {
  readonly name: string;
  readonly type: 'parallel' | 'command';
  /** Names of the steps whose outputs it reads. */
  readonly needs: readonly string[];
}

/** A job of `type: command`, ready to be run. Stored as `state/command.json`. */
export interface CommandPlan {
  readonly runId: RunId;
  readonly runFolder: string;
  readonly pipeline: { readonly runId: RunId };
  readonly experimentName: string;
  readonly stepName: string;
  /** One line for the shell, its expressions replaced. */
  readonly command: string;
  /** Absolute; copied, and the folder that it starts in. */
  readonly codeFolder?: string;
  readonly environment: EnvironmentSpec;
  readonly environmentVariables: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Name to absolute path; made before it runs. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Names of those that are files: only their folder is made. */
  readonly outputFiles: readonly string[];
  readonly outputFolder: string;
  /** As `Plan` has them. */
  readonly models?: Readonly<Record<string, ModelSpec>>;
  readonly dataInputs: Readonly<Record<string, string>>;
  /** As `Plan` has it: fetched before it runs, uploaded once it has ended well. */
  readonly remote?: RemotePlaces;
}

export interface StepOutputPlace {
  readonly path: string;
  readonly type: string;
}

export type StepEnd = 'Completed' | 'Failed' | 'Canceled';

/** What its result depends on, as one hash a part: `code`, `arguments`, `input images`, ... */
export type Fingerprint = Readonly<Record<string, string>>;

/** One line each of `state/pipeline.journal`. Times are epoch milliseconds. */
export type PipelineEvent =
  | { readonly type: 'pipeline-started'; readonly at: number; readonly version: string }
  | { readonly type: 'pipeline-resumed'; readonly at: number; readonly changes: readonly string[] }
  | {
      readonly type: 'step-started';
      readonly at: number;
      readonly step: string;
      readonly runId: RunId;
      /** Why no earlier result was taken; absent: it was not asked for. */
      readonly notReused?: string;
    }
  | {
      readonly type: 'step-reused';
      readonly at: number;
      readonly step: string;
      /** The pipeline that made the result, and the run of its step. */
      readonly from: { readonly pipeline: RunId; readonly runId: RunId };
      readonly outputs: Readonly<Record<string, StepOutputPlace>>;
      readonly fingerprint: Fingerprint;
    }
  | {
      readonly type: 'step-ended';
      readonly at: number;
      readonly step: string;
      readonly state: StepEnd;
      readonly exitCode: ExitCode;
      /** In a few lines, for a person. */
      readonly cause: readonly string[];
      readonly outputs: Readonly<Record<string, StepOutputPlace>>;
      readonly fingerprint?: Fingerprint;
    }
  | { readonly type: 'pipeline-ended'; readonly at: number; readonly state: StepEnd; readonly exitCode: ExitCode };

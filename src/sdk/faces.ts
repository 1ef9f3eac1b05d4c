import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { RunEvent } from '../domain/event.ts';
import type { RunLayout } from '../domain/layout.ts';
import type { Plan } from '../domain/plan.ts';
import type { Problem } from '../domain/problem.ts';
import { createLogSink, createRunLog, runLogContext } from '../logs/index.ts';
import type { FileLogSink, RunLog } from '../logs/index.ts';
import { systemClock } from './clock.ts';
import { DeadLetterFile } from './deadletters.ts';
import { LiveRun } from './handle.ts';
import { ItemNames } from './itemnames.ts';

/** What shows a run: its handle and its logs; both are folds of the same events. */
export interface Faces {
  readonly run: LiveRun;
  readonly log: RunLog;
  readonly sink: FileLogSink;
  /** To be closed at the end. */
  readonly names: ItemNames;
  readonly letters: DeadLetterFile;
  /** Shows events that are durable. */
  readonly publish: (events: readonly RunEvent[]) => void;
  /** Events of an earlier part of the run: counted, not shown again. */
  readonly prime: (events: readonly RunEvent[]) => void;
  /** Told of log files that can't be written; set once there is somebody to tell. */
  onLogError: (path: string, reason: string) => void;
}

export function createFaces(plan: Plan, layout: RunLayout, warnings: readonly Problem[], resumed: boolean): Faces {
  const run = new LiveRun(plan, layout, warnings, systemClock);
  const sink = createLogSink(layout.folder, {
    onError: (path, reason) => {
      faces.onLogError(path, reason);
    },
  });
  const names = new ItemNames(layout);
  const context = runLogContext(plan, namedRoot(plan), names.of);
  const log = createRunLog(
    sink,
    { ...context, isBegun: (path) => resumed && isBegun(join(layout.folder, path)) },
    systemClock,
  );
  const letters = new DeadLetterFile(layout, context);
  const faces: Faces = {
    run,
    log,
    sink,
    names,
    letters,
    publish: (events) => {
      log.apply(events);
      run.publish(events);
      letters.apply(events);
    },
    prime: (events) => {
      log.prime(events);
      run.publish(events);
      letters.apply(events);
    },
    onLogError: () => undefined,
  };
  return faces;
}

/** The root, where a command in this folder wouldn't find it by itself. */
function namedRoot(plan: Plan): string | undefined {
  const root = dirname(plan.runFolder);
  return root === resolve(process.env.PARALLELRUN_ROOT ?? 'runs') ? undefined : root;
}

const isBegun = (file: string): boolean => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;

/** One mini-batch in the foreground: what it is, where a debugger attaches, and what came of it. */
import type { Plan } from '../../domain/plan.ts';
import { runLayout } from '../../domain/layout.ts';
import { codeOfStartFailure, codeOfTryFailure } from '../../views/text/codes.ts';
import { failureTitle, failureTrace, failureWhy } from '../../views/text/failure.ts';
import { labelled } from '../../views/text/problem.ts';
import { counted, duration, safeText } from '../../views/text/words.ts';
import type { StartFailure, TryFailure } from '../../domain/failure.ts';
import type { DebugWaiting } from '../deps.ts';
import type { ForegroundReport } from '../../sdk/index.ts';
import { ellipsisOf, type Screen } from './screen.ts';
import { cutEnd } from './width.ts';

const ROWS_SHOWN = 5;

export function reportLines(report: ForegroundReport, screen: Screen): readonly string[] {
  const head = `mini-batch ${report.index}`;
  const took = duration(report.seconds * 1000);
  if (!report.ok) return failedLines(report, head, took, screen);
  const returned = report.returned ?? 0;
  const short = Math.max(0, report.items - returned);
  const counts = `run() returned ${counted(returned, 'row')} for ${counted(report.items, 'item')} in ${took}`;
  return [
    `${screen.paint('good', `${head} succeeded`)}: ${counts}${short > 0 ? `; ${counted(short, 'item')} count as failed` : ''}`,
    ...report.rowsPreview
      .slice(0, ROWS_SHOWN)
      .map((row) => cutEnd(`  ${safeText(row)}`, screen.columns, ellipsisOf(screen))),
    ...(returned > ROWS_SHOWN ? [`  and ${counted(returned - ROWS_SHOWN, 'more row')}`] : []),
  ];
}

function failedLines(report: ForegroundReport, head: string, took: string, screen: Screen): readonly string[] {
  const { failure } = report;
  const verdict = `${screen.paint('error', `${head} failed`)} after ${took}`;
  if (failure === undefined) return [verdict];
  const why = failureWhy(failure);
  const trace = failureTrace(failure)?.split('\n') ?? [];
  return [
    ...trace.map((line) => `  ${line}`),
    '',
    `${screen.paint('error', 'error')} ${screen.paint('strong', codeOf(failure))}  ${failureTitle(failure)}`,
    ...(why === undefined ? [] : labelled('why', why, screen.paint)),
    verdict,
  ];
}

const START_KINDS: ReadonlySet<string> = new Set([
  'load-exception',
  'load-timeout',
  'init-exception',
  'init-timeout',
  'exit',
  'spawn',
  'no-run-function',
]);
const isStart = (failure: TryFailure | StartFailure): failure is StartFailure => START_KINDS.has(failure.kind);
const codeOf = (failure: TryFailure | StartFailure): string =>
  isStart(failure) ? codeOfStartFailure(failure) : codeOfTryFailure(failure);

/** Where the debugger listens, how to attach, and the launch configuration for VS Code on one line. */
export function debugLines(where: DebugWaiting, plan: Plan, screen: Screen): readonly string[] {
  const python = plan.entry.language === 'python';
  const how = python
    ? `any DAP client: 127.0.0.1:${where.port}`
    : `Chrome: chrome://inspect, or node inspect 127.0.0.1:${where.port}${where.url === undefined ? '' : ` (${safeText(where.url)})`}`;
  return [
    screen.paint('strong', `A debugger is waited for at 127.0.0.1:${where.port}; time limits are off. Ctrl-C ends it.`),
    `  ${how}`,
    `  VS Code, launch.json: ${launchConfiguration(where, plan)}`,
  ];
}

/** Code runs from its snapshot: the mapping makes breakpoints in the user's own files work. */
export function launchConfiguration(where: DebugWaiting, plan: Plan): string {
  const name = `Attach to ${plan.runId}`;
  const [localRoot, remoteRoot] = [plan.entry.codeFolder, runLayout(plan.runFolder).code];
  if (plan.entry.language === 'python') {
    const connect = { host: '127.0.0.1', port: where.port };
    return JSON.stringify({
      name,
      type: 'debugpy',
      request: 'attach',
      connect,
      justMyCode: false,
      pathMappings: [{ localRoot, remoteRoot }],
    });
  }
  return JSON.stringify({
    name,
    type: 'node',
    request: 'attach',
    address: '127.0.0.1',
    port: where.port,
    localRoot,
    remoteRoot,
  });
}

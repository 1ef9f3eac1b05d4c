/** `process_summary.csv` and `node_summary.csv`, made anew each time from the fold. */
import { microStamp } from '../domain/logline.ts';
import { exitText } from '../views/text/failure.ts';
import type { NodeSummary, ProcessSummary, WorkTotals } from '../views/workers.ts';
import { csvText, seconds6 } from './csv.ts';

const WORK_HEADER =
  'Tries,Done,Failed Tries,Items,Items Succeeded,Items Failed,Elapsed Seconds,Process Seconds,Run Method Seconds,Parts';

const PROCESS_HEADER = `Ip Address,Process,Pid,State,Start Time,End Time,Load Seconds,Init Seconds,Shutdown Seconds,${WORK_HEADER},Exit`;

const NODE_HEADER = `Ip Address,Host Name,State,Slots,Joined,Left,Processes Started,Processes Failed To Start,Processes Lost,${WORK_HEADER}`;

const time = (at: number | undefined): string => (at === undefined ? '' : microStamp(at));
const seconds = (value: number | undefined): string => (value === undefined ? '' : seconds6(value));

function work(totals: Readonly<WorkTotals>): readonly (string | number)[] {
  const { tries, done, failedTries, items, itemsSucceeded, itemsFailed } = totals;
  const spent = [totals.elapsedSeconds, totals.processSeconds, totals.runSeconds].map(seconds6);
  return [tries, done, failedTries, items, itemsSucceeded, itemsFailed, ...spent, totals.parts];
}

export function processSummaryCsv(processes: readonly Readonly<ProcessSummary>[]): string {
  const rows = processes.map((process) =>
    [
      csvText(process.node),
      csvText(process.process),
      process.pid,
      process.state,
      time(process.startedAt),
      time(process.endedAt),
      seconds(process.loadSeconds),
      seconds(process.initSeconds),
      seconds(process.shutdownSeconds),
      ...work(process),
      process.exit === undefined ? '' : csvText(exitText(process.exit)),
    ].join(','),
  );
  return `${[PROCESS_HEADER, ...rows].join('\n')}\n`;
}

export function nodeSummaryCsv(nodes: readonly Readonly<NodeSummary>[]): string {
  const rows = nodes.map((node) =>
    [
      csvText(node.node),
      csvText(node.hostname),
      node.state,
      node.slots,
      time(node.joinedAt),
      time(node.leftAt),
      node.processesStarted,
      node.processesFailedToStart,
      node.processesLost,
      ...work(node),
    ].join(','),
  );
  return `${[NODE_HEADER, ...rows].join('\n')}\n`;
}

/** Rows of the two performance files (contract 3.2) from counters. Pure. */
import { microStamp } from '../domain/logline.ts';

export const PROCESS_HEADER =
  'Utc Time,Name,Cpu Percent,Cpu Time User,Cpu Time System,Memory Used Percent,Memory Rss (MB),Disk Io Read Count,' +
  'Disk Io Write Count,Disk Io Read (MB),Disk Io Write (MB),Thread Num,Open Files\n';
export const SYSTEM_HEADER =
  'Utc Time,Cpu Percent,Memory Total (MB),Memory Available (MB),Memory Used (MB),Memory Used Percent,' +
  'Disk Io Read Count,Disk Io Write Count,Disk Io Read (MB),Disk Io Write (MB),Network Sent (MB),Network Recv (MB),' +
  '# of TCP Connections,# of UDP Connections,Disk Used Percent';

/** Of a worker and everything below it; counters since their start. */
export interface ProcessCounters {
  readonly name: string;
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly rssBytes: number;
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly threads: number;
  readonly openFiles: number;
}

/** Counters since the machine's start. */
export interface SystemCounters {
  readonly cpuBusy: number;
  readonly cpuTotal: number;
  readonly memoryTotal: number;
  readonly memoryAvailable: number;
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly tcp: number;
  readonly udp: number;
  readonly diskUsedPercent: number;
}

export interface GpuReading {
  readonly utilisationPercent: number;
  readonly memoryUsedMB: number;
  readonly memoryTotalMB: number;
}

const mb = (bytes: number): string => (bytes / 1024 / 1024).toFixed(2);
const percent = (part: number, whole: number): string => (whole > 0 ? (100 * part) / whole : 0).toFixed(1);

/** @param secondsSince since `before` was taken, or since the start of the process where there is none */
export function processRow(
  at: number,
  now: ProcessCounters,
  before: ProcessCounters | undefined,
  secondsSince: number,
  memoryTotal: number,
): string {
  const cpu = now.userSeconds + now.systemSeconds - (before ? before.userSeconds + before.systemSeconds : 0);
  const cells = [
    microStamp(at),
    csvCell(now.name),
    percent(Math.max(0, cpu), secondsSince),
    now.userSeconds.toFixed(2),
    now.systemSeconds.toFixed(2),
    percent(now.rssBytes, memoryTotal),
    mb(now.rssBytes),
    now.reads,
    now.writes,
    mb(now.readBytes),
    mb(now.writtenBytes),
    now.threads,
    now.openFiles,
  ];
  return `${cells.join(',')}\n`;
}

/** A program may call itself anything. */
function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The contract's columns, then two per GPU. */
export function systemHeader(gpus: number): string {
  const columns = Array.from({ length: gpus }, (_, i) => [
    `Gpu ${i} Utilization Percent`,
    `Gpu ${i} Memory Used (MB)`,
    `Gpu ${i} Memory Total (MB)`,
  ]);
  return `${[SYSTEM_HEADER, ...columns.flat()].join(',')}\n`;
}

export function systemRow(
  at: number,
  now: SystemCounters,
  before: SystemCounters,
  gpus: readonly (GpuReading | undefined)[],
): string {
  const used = now.memoryTotal - now.memoryAvailable;
  const cells = [
    microStamp(at),
    percent(now.cpuBusy - before.cpuBusy, now.cpuTotal - before.cpuTotal),
    mb(now.memoryTotal),
    mb(now.memoryAvailable),
    mb(used),
    percent(used, now.memoryTotal),
    now.reads,
    now.writes,
    mb(now.readBytes),
    mb(now.writtenBytes),
    mb(now.sentBytes),
    mb(now.receivedBytes),
    now.tcp,
    now.udp,
    now.diskUsedPercent.toFixed(1),
    ...gpus.flatMap((g): (number | string)[] =>
      g ? [g.utilisationPercent, g.memoryUsedMB, g.memoryTotalMB] : ['', '', ''],
    ),
  ];
  return `${cells.join(',')}\n`;
}

/** Counters of processes and of the machine, read from `/proc`. Everything is undefined where that is not there. */
import { readFileSync, readdirSync, statfsSync } from 'node:fs';
import { parseCounters, readText, treeOf } from './procfs.ts';
import type { ProcessStat } from './procfs.ts';
import type { ProcessCounters, SystemCounters } from './samples.ts';

const PAGE_BYTES_GUESS = 4096;
let pageBytes: number | undefined;
/** Size of a page: what `VmRSS` of this very process says of the pages in its own `stat`. */
function bytesPerPage(): number {
  if (pageBytes !== undefined) return pageBytes;
  const kiloBytes = parseCounters(readText('/proc/self/status') ?? '').get('VmRSS') ?? 0;
  const pages = Number((readText('/proc/self/statm') ?? '').split(' ')[1] ?? 0);
  const ratio = pages > 0 ? (kiloBytes * 1024) / pages : PAGE_BYTES_GUESS;
  // 4, 16 or 64 KiB; the two files are not read at one moment
  pageBytes = [4096, 16_384, 65_536].find((size) => ratio < size * 1.5) ?? PAGE_BYTES_GUESS;
  return pageBytes;
}

/** Sum over the worker and what it started; undefined where it is gone. */
export function processCounters(pid: number, stats: readonly ProcessStat[]): ProcessCounters | undefined {
  const own = stats.find((stat) => stat.pid === pid && stat.state !== 'Z');
  if (!own) return undefined;
  const sum = { userSeconds: 0, systemSeconds: 0, rssBytes: 0, threads: 0, openFiles: 0 };
  const io = { reads: 0, writes: 0, readBytes: 0, writtenBytes: 0 };
  for (const stat of treeOf(pid, stats)) {
    // the times of children that ended are with whoever waited for them: nothing is lost, nothing counts twice
    sum.userSeconds += stat.userSeconds + stat.childUserSeconds;
    sum.systemSeconds += stat.systemSeconds + stat.childSystemSeconds;
    sum.rssBytes += stat.rssPages * bytesPerPage();
    sum.threads += stat.threads;
    sum.openFiles += openFiles(stat.pid);
    const counters = parseCounters(readText(`/proc/${stat.pid}/io`) ?? '');
    io.reads += counters.get('syscr') ?? 0;
    io.writes += counters.get('syscw') ?? 0;
    io.readBytes += counters.get('read_bytes') ?? 0;
    io.writtenBytes += counters.get('write_bytes') ?? 0;
  }
  return { name: own.comm, ...sum, ...io };
}

function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** @param folder its volume is the one whose fill level counts */
export function systemCounters(folder: string): SystemCounters | undefined {
  let cpu: string;
  try {
    cpu = readFileSync('/proc/stat', 'utf8');
  } catch {
    return undefined;
  }
  const memory = parseCounters(readText('/proc/meminfo') ?? '');
  return {
    ...parseCpu(cpu),
    memoryTotal: (memory.get('MemTotal') ?? 0) * 1024,
    memoryAvailable: (memory.get('MemAvailable') ?? 0) * 1024,
    ...parseDisks(readText('/proc/diskstats') ?? ''),
    ...parseNetwork(readText('/proc/net/dev') ?? ''),
    ...parseSockets((readText('/proc/net/sockstat') ?? '') + (readText('/proc/net/sockstat6') ?? '')),
    diskUsedPercent: diskUsedPercent(folder),
  };
}

/** First line of `/proc/stat`: user nice system idle iowait irq softirq steal. */
export function parseCpu(text: string): { cpuBusy: number; cpuTotal: number } {
  const times = (text.split('\n')[0] ?? '').trim().split(/\s+/).slice(1, 9).map(Number);
  const cpuTotal = times.reduce((sum, n) => sum + n, 0);
  return { cpuTotal, cpuBusy: cpuTotal - (times[3] ?? 0) - (times[4] ?? 0) };
}

const PARTITION_OR_STACKED = /^(loop|ram|zram|dm-|md|sr|fd)|^(sd|vd|xvd|hd)[a-z]+\d+$|^(nvme\d+n\d+|mmcblk\d+)p\d+$/;
const SECTOR_BYTES = 512;

/** Whole disks only: partitions and stacked devices would count the same bytes again. */
export function parseDisks(text: string): { reads: number; writes: number; readBytes: number; writtenBytes: number } {
  const sum = { reads: 0, writes: 0, readBytes: 0, writtenBytes: 0 };
  for (const line of text.split('\n')) {
    const f = line.trim().split(/\s+/);
    if (f.length < 10 || PARTITION_OR_STACKED.test(f[2] ?? '')) continue;
    sum.reads += Number(f[3]);
    sum.readBytes += Number(f[5]) * SECTOR_BYTES;
    sum.writes += Number(f[7]);
    sum.writtenBytes += Number(f[9]) * SECTOR_BYTES;
  }
  return sum;
}

/** All interfaces but the loopback. */
export function parseNetwork(text: string): { sentBytes: number; receivedBytes: number } {
  const sum = { sentBytes: 0, receivedBytes: 0 };
  for (const line of text.split('\n')) {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line);
    if (!match || match[1] === 'lo') continue;
    const f = (match[2] ?? '').trim().split(/\s+/).map(Number);
    sum.receivedBytes += f[0] ?? 0;
    sum.sentBytes += f[8] ?? 0;
  }
  return sum;
}

/** Both address families; a list of the connections themselves costs seconds on a busy host. */
export function parseSockets(text: string): { tcp: number; udp: number } {
  const inUse = (name: string): number => {
    const matches = text.matchAll(new RegExp(`^${name}6?: inuse (\\d+)`, 'gm'));
    return [...matches].reduce((sum, match) => sum + Number(match[1]), 0);
  };
  return { tcp: inUse('TCP'), udp: inUse('UDP') };
}

function diskUsedPercent(folder: string): number {
  try {
    const { blocks, bfree, bavail } = statfsSync(folder);
    const used = blocks - bfree;
    return used + bavail > 0 ? (100 * used) / (used + bavail) : 0;
  } catch {
    return 0;
  }
}

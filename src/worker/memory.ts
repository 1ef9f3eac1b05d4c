import { readFileSync } from 'node:fs';

// own references: a script may replace these
const readText = readFileSync;
const usage = process.resourceUsage.bind(process);

/**
 * Highest resident memory of this process so far, bytes. On Linux not from `resourceUsage`: its figure begins with the
 * memory of the process that started this one.
 */
export function peakMemory(): { readonly rss?: number } {
  try {
    const found = /^VmHWM:\s*(\d+) kB/m.exec(readText('/proc/self/status', 'latin1'));
    if (found) return { rss: Number(found[1]) * 1024 };
  } catch {
    // not Linux
  }
  const rss = usage().maxRSS * 1024;
  return rss > 0 ? { rss } : {};
}

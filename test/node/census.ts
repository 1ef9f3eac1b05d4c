/** What runs on this machine, counted without the code under test. */
import { readFileSync, readdirSync } from 'node:fs';

/** Live processes that carry the temporary folder of a job in their environment. */
export function findMarkedByJob(jobTemp: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`AZ_BATCHAI_JOB_TEMP=${jobTemp}`);
      } catch {
        return false;
      }
    });
}

export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Runs the cases of a section in turns. */
import { figure } from './report.mjs';
import { loadNow } from './machine.mjs';

/** What is known of a case that can't be measured here. */
export class Unavailable extends Error {}

/**
 * A B C, B C A, C A B: each repetition begins with another case, so that none has the best place always.
 * @param section `cases`: `{ id, name, run }`; `run` returns an object with a number for each of `columns`; one that
 *   throws is out from then on, with its reason
 * @returns the section with `rows` and `loads` in the place of its cases
 */
export async function measure({ cases, ...section }, { repeat }) {
  const rows = cases.map(({ id, name }) => ({ id, name, runs: [], failed: undefined }));
  const loads = [];
  const { key, head } = section.columns[0];
  for (let repetition = 0; repetition < repeat; repetition++) {
    loads.push(await loadNow());
    for (let i = 0; i < cases.length; i++) {
      const at = (i + repetition) % cases.length;
      const row = rows[at];
      if (row.failed !== undefined) continue;
      try {
        row.runs.push(await cases[at].run());
        console.log(`    ${repetition + 1}/${repeat} ${row.name}: ${figure(row.runs.at(-1)[key])} ${head}`);
      } catch (error) {
        // A mistake of a benchmark itself must not look like an absent peer.
        if (!(error instanceof Unavailable)) throw error;
        Object.assign(row, { runs: [], failed: error.message });
        console.log(`    ${row.name}: not measured: ${error.message}`);
      }
    }
  }
  return { ...section, rows, loads };
}

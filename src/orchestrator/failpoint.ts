/**
 * Places between two steps of the commit protocol where a test can stop, kill or break the orchestrator. Compiled in
 * always, so that what is tested is what runs.
 *
 * | point               | of reliability's | what has happened, what has not                          |
 * |---------------------|------------------|----------------------------------------------------------|
 * | `dispatch-recorded` | CP1              | the hand-out is durable, nothing has left                |
 * | `dispatched`        | CP2              | it has left                                              |
 * | `result-taken`      | CP4              | the result is here, its rows are not in the spool        |
 * | `rows-durable`      | CP7              | the rows are synced, the record is not written           |
 * | `committed`         | CP9              | the record is durable, nothing is shown, parts not freed |
 * | `all-settled`       | CP10             | every mini-batch has its end, the result isn't assembled |
 * | `assembled`         | CP10             | the result is there, the end is not recorded             |
 * | `recovered`         | CP12             | a run taken up again is about to go on                   |
 */
export const FAILPOINTS = [
  'dispatch-recorded',
  'dispatched',
  'result-taken',
  'rows-durable',
  'committed',
  'all-settled',
  'assembled',
  'recovered',
] as const;
export type Failpoint = (typeof FAILPOINTS)[number];

/** What stands at each point: nothing, or what a test wants there. Undefined costs no turn of the loop. */
export type FailpointPort = (point: Failpoint) => Promise<void> | undefined;

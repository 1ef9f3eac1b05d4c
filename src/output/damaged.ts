/** The spool doesn't hold what the ledger says. */
export class SpoolDamagedError extends Error {
  override readonly name = 'SpoolDamagedError';
}

/** Thrown when a run would refuse what an entry script is or returns. The message says what came and what is allowed. */
export class EntryTestError extends Error {
  override readonly name = 'EntryTestError';
}

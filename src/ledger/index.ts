export { LedgerWriter } from './writer.ts';
export { LedgerReader, LedgerFormatError, readLedger } from './reader.ts';

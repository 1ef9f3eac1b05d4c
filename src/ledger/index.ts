export { LedgerWriter } from './writer.ts';
export { LedgerFormatError } from './decoder.ts';
export { LedgerReader, readLedger } from './reader.ts';

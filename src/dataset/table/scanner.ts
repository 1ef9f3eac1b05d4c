import { DialectScanner, isPlain } from '../../domain/dialect.ts';
import type { FieldScanner, FieldSink } from '../../domain/dialect.ts';
import type { CsvDialect } from '../../domain/plan.ts';
import { RecordScanner } from './recordscan.ts';

/** The fastest that understands the dialect. */
export function scannerFor(csv: CsvDialect, sink: FieldSink): FieldScanner {
  return isPlain(csv) ? new RecordScanner(csv.delimiter, sink) : new DialectScanner(csv, sink);
}

/** Takes out of texts what opens doors: queries of URLs (signatures, tokens), passwords before an @, keys of connection strings. */
const URL_QUERY = /\b([a-z][a-z0-9+.-]+:\/\/[^\s"'<>?]*)\?[^\s"'<>]*/gi;
const USER = /\b(https?:\/\/)[^\s/?#"'<>@]+@/gi;
const PASSWORD = /\b([a-z][a-z0-9+.-]+:\/\/)[^\s/?#"'<>@:]+:[^\s/?#"'<>@]*@/gi;
const PAIRS = /\b(AccountKey|SharedAccessSignature|sig|X-Amz-Signature|X-Amz-Security-Token)=[^\s;&"'<>]+/gi;

export const REDACTED = '***';

export function redact(text: string): string {
  // Most texts have nothing of the kind.
  if (!text.includes('://') && !text.includes('=')) return text;
  return text
    .replace(URL_QUERY, `$1?${REDACTED}`)
    .replace(USER, `$1${REDACTED}@`)
    .replace(PASSWORD, `$1${REDACTED}@`)
    .replace(PAIRS, `$1=${REDACTED}`);
}

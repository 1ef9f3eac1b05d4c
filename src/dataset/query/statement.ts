/** Pieces of SQL in which nothing ends a statement: texts, names in quotes, comments. Whichever comes first. */
const PIECES = /'(?:[^']|'')*'|"(?:[^"]|"")*"|(--[^\n]*|\/\*[^]*?\*\/)|([\s;]+)|[^]/g;

/** A statement without the semicolons and comments behind it, so that it can stand within another one. */
export function bareStatement(sql: string): string {
  let end = 0;
  for (const piece of sql.matchAll(PIECES)) {
    const [text, comment, space] = piece;
    if (comment === undefined && space === undefined) end = piece.index + text.length;
  }
  return sql.slice(0, end);
}

"""
The rows and fields of CSV text, by the rules by which pandas' C parser and the cutting of mini-batches find them: LF,
CRLF and CR end a row outside quotes; a quote opens a quoted field only at the start of a field; lines of nothing but
spaces and tabs, and those that start with the comment character, are no rows.
"""
import re

_LINE_END = r"(?:\r\n|\r|\n|\Z)"


class EndlessRow(ValueError):
    """The text ends within quotes, or behind an escape character. `row`: number of that row in the text, from 0."""

    def __init__(self, row):
        super().__init__("a quoted field has no end")
        self.row = row


class Dialect:
    """How rows and fields are written. `quote`, `escape` and `comment` are one ASCII character or ''."""

    def __init__(self, table):
        self.delimiter = table["delimiter"]
        self.quote = table.get("quote", '"')
        self.escape = table.get("escape") or ""
        self.comment = table.get("comment") or ""
        self._specials = [mark for mark in (self.quote, self.escape, self.comment) if mark]
        self._blank = " \t".replace(self.delimiter, "")
        # what a field may consist of; unrolled loops, so that nothing is tried twice where it doesn't fit
        delimiter, quote, escape, comment = map(re.escape, (self.delimiter, self.quote, self.escape, self.comment))
        escaped = r"%s[\s\S]" % escape if escape else ""
        plain = _loop(r"[^\r\n%s%s%s]*" % (delimiter, escape, comment), escaped)
        field = "()()(%s)" % plain
        if quote:
            inside = _loop("[^%s%s]*" % (quote, escape), "|".join(filter(None, (quote * 2, escaped))))
            # the character behind the closing quote stands for itself, whatever it means elsewhere
            rest = r"(?:[^\r\n%s]%s|(?=[\r\n%s]|\Z))" % (delimiter, plain, delimiter)
            field = "(?:{q}({inside}){q}(?!{q})({rest})|(?!{q})({plain}))".format(
                q=quote, inside=inside, rest=rest, plain=plain)
        remark = r"%s[^\r\n]*" % comment if comment else ""
        self._texts = {
            "field": field,
            "row": "%s(?:%s%s)*(?:%s)?%s" % (field, delimiter, field, remark, _LINE_END),
            "no row": "(?:[%s]*%s)%s" % (self._blank, remark and "|" + remark, _LINE_END),
            "inside": "|".join(filter(None, (quote * 2, escaped))),
            "outside": escaped,
        }
        self._patterns = {}

    def spans(self, text):
        """Yields (start, end) of each row, line break included. `text`: str or bytes. Raises EndlessRow."""
        row, no_row = self._pattern("row", type(text)), self._pattern("no row", type(text))
        at, count, length = 0, 0, len(text)
        while at < length:
            found = no_row.match(text, at)
            if found is None:
                found = row.match(text, at)
                if found is None:
                    raise EndlessRow(count)
                yield at, found.end()
                count += 1
            at = found.end()

    def rows(self, text):
        """Yields the fields of each row, as a list of str. Raises EndlessRow."""
        if any(mark in text for mark in self._specials):
            for start, end in self.spans(text):
                yield self._fields(text[start:end])
            return
        blank, delimiter = self._blank, self.delimiter
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
            if line.strip(blank):
                yield line.split(delimiter)

    def _fields(self, row):
        pattern = self._pattern("field", str)
        fields = []
        at = 0
        while True:
            found = pattern.match(row, at)
            inside, rest, plain = found.groups()
            if plain is not None:
                fields.append(self._unescaped(plain, "outside"))
            else:
                fields.append(self._unescaped(inside, "inside") + rest[:1] + self._unescaped(rest[1:], "outside"))
            at = found.end()
            if row[at:at + 1] != self.delimiter:
                return fields
            at += 1

    def _unescaped(self, text, place):
        """Escaped characters, and within quotes doubled quotes, as what they stand for."""
        return self._pattern(place, str).sub(lambda found: found.group()[1:], text) if self._texts[place] else text

    def _pattern(self, name, kind):
        pattern = self._patterns.get((name, kind))
        if pattern is None:
            text = self._texts[name]
            pattern = self._patterns[name, kind] = re.compile(text.encode("ascii") if kind is bytes else text)
        return pattern


def _loop(usual, unusual):
    return "%s(?:(?:%s)%s)*" % (usual, unusual, usual) if unusual else usual

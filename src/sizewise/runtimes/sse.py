"""Server-sent events out of a byte stream cut anywhere, even inside a character.

The format is that of the WHATWG HTML standard, section "Server-sent events", read as servers of language models write
it: see `EventSplitter`. Does not cover event names and ids: every event is a chunk of the same answer.
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Gives the data of each whole event; bytes of an unfinished line wait for the next feed.

    Lines end with LF, CRLF or CR. A `data:` line that ends like a JSON object is an event at once, because some servers
    leave out the empty line; otherwise the data lines up to the next empty line are one event. An `error:` line, which
    older llama.cpp servers write, is an event with an error in the OpenAI form. Comments and other fields are passed
    over. A body that begins with a brace is no stream but one JSON answer, given at the end.

    >>> splitter = EventSplitter()
    >>> splitter.feed(b'data: {"a"')
    []
    >>> splitter.feed(b': 1}\\r\\n\\r\\n: a comment\\n\\ndata: {"b":\\ndata: 2}\\n\\ndata:[DONE]\\n\\n')
    [b'{"a": 1}', b'{"b":\\n2}', b'[DONE]']
    """

    __slots__ = ("_begun", "_held", "_parts", "_pending", "_whole")

    def __init__(self) -> None:
        self._begun = False
        self._whole = False
        """The body is one JSON value."""
        self._parts: list[bytes] = []
        """Pieces of a line without end: joined once, or a line of many megabytes would be copied at every piece."""
        self._held = b""
        """A CR at the end of a feed: half of a CRLF, or an end of its own."""
        self._pending: list[bytes] = []
        """Data lines of an event that goes on."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of every event completed by these bytes."""
        if not self._begun:
            head = (b"".join(self._parts) + data).removeprefix(_BOM).lstrip()
            if _BOM.startswith(head):  # nothing yet, or a part of the mark
                self._parts = [head]
                return []
            self._begun, self._whole = True, head.startswith(b"{")
            self._parts, data = [], head
        if self._whole:
            self._parts.append(data)
            return []
        if self._held or b"\r" in data:
            data = self._line_feeds(data)
        if b"\n" not in data:
            self._parts.append(data)
            return []
        lines = data.split(b"\n")
        if self._parts:
            lines[0] = b"".join(self._parts) + lines[0]
        self._parts = [lines.pop()]
        return self._events(lines)

    def _line_feeds(self, data: bytes) -> bytes:
        """Return the bytes with every end of a line as LF; a CR at the very end waits."""
        data = self._held + data
        self._held = b"\r" if data.endswith(b"\r") else b""
        return data.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                told = line[5:].strip()
                if not self._pending and (told.endswith(b"}") or told == b"[DONE]"):
                    events.append(told)
                elif told:
                    self._pending.append(told)
            elif line.startswith(b"error:"):
                events.append(b'{"error": ' + line[6:].strip() + b"}")
            elif self._pending and not line.strip():
                events.append(b"\n".join(self._pending))
                self._pending = []
        return events

    def end(self) -> list[bytes]:
        """Return the last event of a stream whose last line has no end, or the body that is one JSON value."""
        rest = b"".join(self._parts)
        if self._whole:
            return [rest]
        self._parts = []
        return self._events([rest, b""])

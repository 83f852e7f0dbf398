"""Server-sent events out of a byte stream cut anywhere, even inside a character."""

from __future__ import annotations


class EventSplitter:
    """Gives the data of each whole event; bytes of an unfinished line wait for the next feed.

    >>> splitter = EventSplitter()
    >>> splitter.feed(b'data: {"a"')
    []
    >>> splitter.feed(b': 1}\\n\\n: a comment\\n\\ndata: [DONE]\\n\\n')
    [b'{"a": 1}', b'[DONE]']
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of every `data:` line completed by these bytes.

        Servers of language models write one line an event, so a line is an event; comments and other fields
        (`event:`, `id:`, `retry:`) are passed over.
        """
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]

    def end(self) -> list[bytes]:
        """Return the last event of a stream whose last line has no end."""
        return self.feed(b"\n")

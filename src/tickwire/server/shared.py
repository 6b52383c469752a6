"""One large segment to many sockets without a copy for each.

`send` copies all that it is given into the socket's memory. To a file's pages the socket only refers, so a segment that
many are given becomes a file in memory, which `sendfile` hands out.
"""

from __future__ import annotations

import os


class SharedSegment:
    """The segment that was sent last; a file of it from the second socket on.

    The file is closed with the next segment. The kernel keeps its pages as long as a socket has not delivered them,
    which is what a copy in each socket would be kept for too.
    """

    __slots__ = ("_data", "_file")

    def __init__(self) -> None:
        self._data = b""
        self._file = -1

    def send(self, fileno: int, data: bytes) -> int:
        """How many bytes of `data`, from its beginning, the socket has taken: 0 where this does not pay or can't be."""
        if data is not self._data:
            self._forget()
            self._data = data
            return 0
        try:
            if self._file < 0:
                self._file = os.memfd_create("segment")
                os.write(self._file, data)
            return os.sendfile(fileno, self._file, 0, len(data))
        except (OSError, AttributeError):  # the socket is full or broken, which its transport sees; or it is not Linux
            return 0

    def _forget(self) -> None:
        self._data = b""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    __del__ = _forget

"""The printer's folder: batches are dropped whole, once. A folder here, or one mounted from the printer's server."""

import os
import pathlib
from collections.abc import Callable
from typing import IO

from core import errors


class LetterFolder:
    """Drops files where the printer takes them away, which it may do at once.

    So the folder itself cannot say what was dropped before. A file is written in `.outgoing`, then a mark is set
    beside it, then it is moved into the folder: a mark without its file says that it went.
    """

    def __init__(self, folder: str) -> None:
        self._folder = pathlib.Path(folder)

    def deliver(self, *, name: str, write: Callable[[IO[bytes]], None]) -> None:
        """This will drop a batch unless it was dropped before; ProviderError letters.folder where it cannot now."""
        try:
            outgoing = self._folder / ".outgoing"
            outgoing.mkdir(parents=True, exist_ok=True)
            file, mark = outgoing / name, outgoing / f"{name}.whole"
            if not mark.exists():
                with file.open("wb") as out:
                    write(out)
                    out.flush()
                    os.fsync(out.fileno())
                mark.touch()
                _sync(outgoing)
            if file.exists():
                file.rename(self._folder / name)
                _sync(self._folder)
        except OSError as failed:
            raise errors.ProviderError("letters.folder", reason=failed.strerror or "") from failed


def _sync(folder: pathlib.Path) -> None:
    """A name counts as written when its folder is."""
    at = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(at)
    finally:
        os.close(at)

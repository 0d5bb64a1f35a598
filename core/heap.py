"""What a process has loaded when it begins its work stays until it ends, and what it was given it keeps."""

import ctypes
import gc

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # glibc's names for them: mallopt(3)


def keep() -> None:
    """This will leave out of every later search for garbage what is there now: thousands of classes and statements.

    Walking over them again and again held up turns, and took as long as parsing did while reads were loaded.
    """
    gc.collect()
    gc.freeze()


def hoard() -> None:
    """This will keep memory that is given back for the next use of it, in a process that goes over large arrays again
    and again: to have it made anew by the system, page by page, is dear. Without glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**30)
        mallopt(_TOP_PAD, 2**26)

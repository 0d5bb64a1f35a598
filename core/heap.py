"""What a process has loaded when it begins its work stays until it ends."""

import gc


def keep() -> None:
    """This will leave out of every later search for garbage what is there now: thousands of classes and statements.

    Walking over them again and again held up turns, and took as long as parsing did while reads were loaded.
    """
    gc.collect()
    gc.freeze()

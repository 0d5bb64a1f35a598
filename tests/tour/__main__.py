"""`make tour`: bring the whole hub up in a fresh folder, play every story, and hold every figure against the books.

Exits 0 only when every step happened in time, every figure spoken is true, and the CRM has every contact.
"""

import argparse
import concurrent.futures
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from tests.stack.running import RunningStack, Sandbox
from tests.tour import scene, stories

SIDE_BY_SIDE = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make tour", description=__doc__)
    parser.add_argument("--at", type=pathlib.Path, help="a home in which a demonstration runs already (it is changed)")
    parser.add_argument("--only", default="", help="play the stories whose title holds this")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    given = parser.parse_args(arguments)
    chosen = [(title, story) for title, story in stories.STORIES if given.only.lower() in title.lower()]
    if given.at:
        return tell(RunningStack(given.at), chosen)
    home = pathlib.Path(tempfile.mkdtemp(prefix="wattline-tour-"))
    home.chmod(0o755)  # the embedded PostgreSQL runs as another account
    print(f"Bringing the hub up in {home} ...", flush=True)
    began = time.monotonic()
    stack = RunningStack(home / "home")
    try:
        stack.start(seconds=900)
        print(f"... it stands after {time.monotonic() - began:.0f} s.\n", flush=True)
        return tell(stack, chosen)
    finally:
        stack.stop()
        if not given.keep:
            shutil.rmtree(home, ignore_errors=True)


def tell(stack: RunningStack, chosen: Sequence[tuple[str, Callable[[scene.Scene], None]]]) -> int:
    """This will play the stories side by side and print them in order; 1 when anything is wrong."""
    warm(stack)
    began = time.monotonic()
    scenes = [scene.Scene(title, stack, Sandbox(stack.sandbox)) for title, _ in chosen]
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as stage:
        running = [stage.submit(scene.play, s, story) for s, (_, story) in zip(scenes, chosen, strict=True)]
        for number, waiting in enumerate(running, 1):
            _print(number, waiting.result())
    faults = [fault for one in scenes for fault in one.faults]
    dead = stack.rows("SELECT d.subscriber, d.last_error FROM delivery d WHERE d.state = 'DEAD'")
    faults += [f"a delivery is dead: {row.subscriber}: {row.last_error}" for row in dead]
    told = sum(one.figures for one in scenes)
    print(f"{len(scenes)} stories in {time.monotonic() - began:.0f} s; {told} figures spoken and held to the books.")
    for fault in faults:
        print(f"  FAULT: {fault}")
    print("Everything was as it should be." if not faults else f"{len(faults)} faults.")
    return 1 if faults else 0


def warm(stack: RunningStack) -> None:
    """This will say hello once, so that no story has to wait for what is loaded at the first word."""
    before = scene.Scene("before the curtain", stack, Sandbox(stack.sandbox))
    before.chat("Nobody").say("hello", seconds=90)


def _print(number: int, one: scene.Scene) -> None:
    verdict = "ok" if not one.faults else f"{len(one.faults)} FAULTS"
    print(f"━━ {number}. {one.title}  ({one.seconds:.0f} s, {one.figures} figures, {verdict})")
    print("\n".join(one.book.lines))
    print(
        "\n".join(f"    {'CRM' if n == 0 else '':>10} │ {line}" for n, line in enumerate(one.timeline)) + "\n",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

"""Takes in the files of prices that lie in a folder, as whoever fetches them from an exchange leaves them there."""

from pathlib import Path
from typing import cast

from billing import index_file, index_loading
from core import errors, log
from core.hub import Hub

logger = log.get(__name__)
ACTOR = "clock"


def take_folder(hub: Hub) -> int:
    """This will load every file of the folder `index_folder` names, by name; gives how many were taken.

    A file is called ``CODE.UNIT.anything.csv`` (``DAY_AHEAD.MWh.2026-11-26.csv``). It goes on to `taken`, or to
    `refused` with the reasons beside it; one that could not be moved is loaded again, which changes nothing.
    """
    if not hub.settings.index_folder:
        return 0
    folder = Path(hub.settings.index_folder)
    taken = 0
    for path in sorted(folder.glob("*.csv")):
        reasons = _take(hub, path)
        goes = folder / ("refused" if reasons else "taken")
        goes.mkdir(exist_ok=True)
        if reasons:
            (goes / f"{path.name}.txt").write_text("\n".join(reasons) + "\n", encoding="utf-8")
            logger.warning("index_refused", extra={"file": path.name, "reason": reasons[0]})
        taken += not reasons
        path.replace(goes / path.name)
    return taken


def _take(hub: Hub, path: Path) -> list[str]:
    """Why a file is refused; nothing when it was taken."""
    code, _, rest = path.name.partition(".")
    unit = rest.partition(".")[0]
    if unit not in ("kWh", "MWh"):
        return ["its name has to be CODE.kWh.anything.csv or CODE.MWh.anything.csv"]
    settings = hub.settings
    try:
        parsed = index_file.parse(
            path.read_bytes(), unit=cast(index_file.Unit, unit), currency=settings.currency,
            timezone=settings.utility_timezone,
        )  # fmt: skip
        if parsed.problems:
            return [f"line {p.line}: {p.code}: {p.reason}" for p in parsed.problems]
        with hub.transaction() as session:
            index_loading.load(session, code=code, parsed=parsed, source=path.name, by=ACTOR, now=hub.now())
    except errors.WattlineError as refused:
        return [str(refused)]
    return []

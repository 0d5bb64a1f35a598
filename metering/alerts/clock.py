"""Hours laid out by the clock on the wall, on the days it shifts, too."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metering.alerts.robust import Floats


def by_clock(values: Floats, cells: NDArray[Any], days: int) -> Floats:
    """This will lay hours out as [n, days, 24]: `cells` has for each hour its day times 24 plus its hour.

    Where the clock goes back, two hours share a cell: their mean. Where it goes forward, a cell has none: as the hour
    before.
    """
    out = np.full((len(values), days * 24), np.nan)
    out[:, cells] = values
    for second in np.nonzero(np.diff(cells) == 0)[0] + 1:
        out[:, cells[second]] = (values[:, second - 1] + values[:, second]) / 2
    for late in np.nonzero(np.diff(cells) == 2)[0]:
        out[:, cells[late] + 1] = out[:, cells[late]]
    return out.reshape(len(values), days, 24)

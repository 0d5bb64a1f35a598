"""`python -m tests.tour.crew <outage>`: what staff do when a crew is done, in a process of its own beside the hub's.

A small hub is built from the environment, which is the run's.
"""

import sys

from core.outages import operations as outages
from ops_admin import config, wiring


def main(outage_id: int) -> None:
    hub = wiring.build(config.load(), pool_size=1)
    with hub.transaction() as session:
        outages.restore_outage(session, outage_id=outage_id, at=hub.now(), now=hub.now())


if __name__ == "__main__":
    main(int(sys.argv[1]))

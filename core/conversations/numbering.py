"""The numbers by which offered choices are answered. Pure."""

import re
from collections.abc import Sequence

_OWN = re.compile(r"(\d{1,2})(?!\d|[.,:/]\d)")


def numbers(labels: Sequence[str]) -> list[int]:
    """This will number choices 1, 2, 3 ..., but by their own numbers where each label begins with one.

    Asked "in how many months?", with "3 × $81" and "6 × $41" on offer, a "3" means three months, not the third choice.
    """
    own = [_OWN.match(label.strip()) for label in labels]
    found = [int(match.group(1)) for match in own if match is not None]
    if len(found) == len(labels) == len(set(found)):
        return found
    return list(range(1, len(labels) + 1))

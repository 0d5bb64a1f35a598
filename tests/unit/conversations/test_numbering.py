"""What number a customer types for a choice."""

import pytest

from core.conversations import numbering


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (["Yes", "No"], [1, 2]),
        (["3 × $81.00", "6 × $40.50", "12 × $20.25"], [3, 6, 12]),
        (["9:00 to 11:00", "11:00 to 13:00"], [1, 2]),
        (["3 months", "3 weeks"], [1, 2]),
        (["3 months", "later"], [1, 2]),
        (["125.50 now", "60.00 now"], [1, 2]),
    ],
)
def test_choices_are_numbered_by_their_own_numbers_where_they_have_them(labels: list[str], numbers: list[int]) -> None:
    assert numbering.numbers(labels) == numbers

"""The tour's stories, on the stack the other tests have just troubled: everything has to be as it should be."""

import pytest

from tests.stack.running import RunningStack
from tests.tour import __main__ as tour
from tests.tour import stories

pytestmark = pytest.mark.stack


def test_every_story_ends_well_and_every_figure_is_true(stack: RunningStack) -> None:
    assert tour.tell(stack, stories.STORIES) == 0

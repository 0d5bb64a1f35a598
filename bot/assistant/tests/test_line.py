"""Who is served next when the assistant is busy."""

import asyncio
from typing import List, Text

import pytest
from channels.line import Line


def served(arrivals: List[Text]) -> List[Text]:
    """This will let turns arrive one after the other while the first still runs, and give the order they began in."""
    begun: List[Text] = []

    async def turn(line: Line, channel: Text, name: Text) -> None:
        async with line.place(channel):
            begun.append(name)
            await asyncio.sleep(0.01)

    async def all_of_them() -> None:
        line = Line(5.0)
        work = []
        for number, channel in enumerate(arrivals):
            work.append(asyncio.ensure_future(turn(line, channel, f"{channel}{number}")))
            await asyncio.sleep(0)
        await asyncio.gather(*work)
        assert line._free

    asyncio.run(all_of_them())
    return begun


def test_callers_come_first_and_within_a_rank_who_came_first():
    arrivals = ["SMS", "EMAIL", "WEB", "SMS", "VOICE", "WHATSAPP", "VOICE", "WEB"]
    assert served(arrivals) == ["SMS0", "VOICE4", "VOICE6", "WEB2", "WEB7", "EMAIL1", "SMS3", "WHATSAPP5"]


def test_a_turn_that_takes_too_long_does_not_keep_its_place():
    async def story() -> float:
        line, loop = Line(0.02), asyncio.get_running_loop()
        began = loop.time()

        async def slow() -> None:
            async with line.place("SMS"):
                await asyncio.sleep(0.3)

        running = asyncio.ensure_future(slow())
        await asyncio.sleep(0)
        async with line.place("SMS"):
            waited = loop.time() - began
        await running
        assert line._free
        return waited

    assert asyncio.run(story()) < 0.2


@pytest.mark.parametrize("given", [False, True])
def test_who_gives_up_waiting_takes_no_place_with_them(given: bool):
    async def story() -> None:
        line = Line()

        async def waits() -> None:
            async with line.place("VOICE"):
                raise AssertionError("it had gone")

        async with line.place("SMS"):
            waiting = asyncio.ensure_future(waits())
            await asyncio.sleep(0)
            if not given:
                waiting.cancel()
        if given:
            waiting.cancel()  # the place was given in this very moment, and is given back
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert line._free
        async with line.place("SMS"):
            pass

    asyncio.run(story())


def test_a_turn_that_fails_gives_its_place_back():
    async def story() -> None:
        line = Line()
        with pytest.raises(ValueError, match="no"):
            async with line.place("WEB"):
                raise ValueError("no")
        assert line._free

    asyncio.run(story())

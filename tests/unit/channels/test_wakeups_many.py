"""One wake-up for many topics reaches those that are listened to, and no others."""

from channels.web_chat import wakeups


def test_one_word_wakes_the_pages_of_many() -> None:
    wakes = wakeups.Wakeups("redis://127.0.0.1:1/0")  # nobody there: what is published stays in this process
    wakes._thread = object()  # type: ignore[assignment]  # and nobody listens there
    mine, other = wakes.subscribe("reads:7"), wakes.subscribe("reads:9")
    wakes.publish("many:reads", "5 7 12")
    assert mine.get_nowait() == "7"
    assert other.empty()

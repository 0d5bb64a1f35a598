"""One stack, one Chromium; each test gets tabs of its own, and no tab may complain to its console."""

import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.stack.running import RunningStack, Sandbox

QUIET = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
PHONE, DESK = (390, 844), (1440, 900)
_STILL = """() => Promise.all(document.getAnimations()
  .filter(one => one.effect.getComputedTiming().endTime !== Infinity)
  .map(one => one.finished.catch(() => null))).then(() => null)"""
Tab = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = pathlib.Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack of its own; or the one that runs in WATTLINE_RUNNING (a home folder), while writing these tests."""
    if running := os.environ.get("WATTLINE_RUNNING"):
        attached = RunningStack(pathlib.Path(running))
        yield attached
        attached.engine.dispose()
        return
    home = tmp_path_factory.mktemp("browser") / "home"
    home.parent.chmod(0o755)
    with RunningStack(home) as started:
        yield started


@pytest.fixture(scope="session")
def sandbox(stack: RunningStack) -> Sandbox:
    return Sandbox(stack.sandbox)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Tab]:
    """This will open tabs, each a visitor of its own; at the end none may have written an error to its console."""
    contexts, complaints = [], []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def opened(size: tuple[int, int] = DESK, scheme: Any = "light", cookies: Any = ()) -> Page:
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
        context.set_default_timeout(30_000)
        if cookies:
            context.add_cookies(cookies)
        contexts.append(context)
        page = context.new_page()
        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints, complaints


def barriers(page: Page) -> list[str]:
    """This will list what axe finds serious or critical on a page, the shadow of the chat included."""
    page.evaluate(_STILL)  # colours half faded in are no colours to judge
    return [
        f"{found['id']}: {found['nodes'][0]['html'][:160]}"
        for found in Axe().run(page).response["violations"]
        if found["impact"] in ("serious", "critical")
    ]

"""The dashboard in a real browser: signing in, live figures, phone width, no console errors.

With OTTLA_SCREENSHOTS=<folder> the pages are also kept as pictures.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.dashboard_world import EMAIL, Furnished, furnish
from tests.factories import rows as make
from tests.fakes.service import serving

CHROMIUM = Path("/usr/bin/chromium")
PHONE = {"width": 375, "height": 812}
DESK = {"width": 1280, "height": 860}
PATHS = ("/", "/clusters/kafka-calm-1000", "/clusters/kafka-calm-1000/topics")

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason="Debian's chromium is not installed (tests/toolchains/debian.txt)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=str(CHROMIUM),
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield launched
        launched.close()


@pytest.fixture
def furnished(database_url: str) -> Iterator[Furnished]:
    with serving(database_url) as service:
        yield furnish(service)


@pytest.fixture
def problems() -> list[str]:
    """What the browser complained of: console errors, exceptions, refused requests."""
    return []


@pytest.fixture
def page(browser: Browser, furnished: Furnished, problems: list[str]) -> Iterator[Page]:
    context = browser.new_context(base_url=furnished.service.url, viewport=DESK)  # type: ignore[arg-type]
    opened = context.new_page()
    opened.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()


def sign_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(make.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Clusters")).to_be_visible()


def keep_picture(page: Page, name: str) -> None:
    if folder := os.environ.get("OTTLA_SCREENSHOTS"):
        page.wait_for_timeout(400)  # the chart's first drawing
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_pages_show_without_errors(page: Page, problems: list[str]) -> None:
    page.goto("/sign-in")
    keep_picture(page, "sign-in")
    sign_in(page)
    for path in PATHS:
        page.goto(path)
        expect(page.locator("[data-live-status]")).to_have_text("Live")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            keep_picture(page, f"desk-{scheme}{path.replace('/', '-')}")
    assert problems == []

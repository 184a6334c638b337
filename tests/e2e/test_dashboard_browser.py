"""The dashboard in a real browser: signing in, live figures, phone width, no console errors.

With OTTLA_SCREENSHOTS=<folder> the pages are also kept as pictures.
"""

import datetime as dt
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from sqlalchemy import update

from control_plane.domain.cluster_states import ClusterState
from control_plane.models import ApiToken
from tests.e2e.dashboard_world import EMAIL, Furnished, furnish
from tests.factories import rows as make
from tests.fakes.service import serving

# `make setup-test` installs it where it may (root, Debian); elsewhere one on PATH does as well.
CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
PHONE = {"width": 375, "height": 812}
DESK = {"width": 1280, "height": 860}
PATHS = ("/", "/clusters/kafka-calm-1000", "/clusters/kafka-calm-1000/topics")

pytestmark = pytest.mark.skipif(
    # Continuous integration has no excuse: there a missing browser fails.
    CHROMIUM is None and not os.environ.get("CI"),
    reason="NOT RUN: no chromium on PATH (tests/toolchains/debian.txt; make setup-test as root)",
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
    context = browser.new_context(base_url=furnished.service.url, viewport=DESK)  # type: ignore[arg-type]  # made up by the test
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


def test_figures_and_states_change_by_themselves(
    page: Page, furnished: Furnished, problems: list[str]
) -> None:
    """A new state and new bytes reach an open page without a reload."""
    sign_in(page)
    row = page.get_by_role("row").filter(has_text="kafka-calm-1000")
    expect(row).to_contain_text("Available")
    expect(row).to_contain_text("MiB/s")
    with furnished.service.sessions.begin() as session:
        cluster, host = session.merge(furnished.cluster), session.merge(furnished.host)
        cluster.state = ClusterState.UPDATING
        last = make.now() + dt.timedelta(seconds=2)
        for seconds, value in ((4, 10**12), (0, 10**12 + 4 * 7 * 1024**3)):
            make.sample(
                session,
                cluster,
                host,
                "bytes_in_total",
                last - dt.timedelta(seconds=seconds),
                value,
                sequence=900_000 + seconds,
            )
    expect(row).to_contain_text("Updating", timeout=15_000)
    expect(row).to_contain_text("GiB/s", timeout=15_000)
    assert problems == []


def test_the_chart_is_drawn_and_grows(page: Page, problems: list[str]) -> None:
    sign_in(page)
    page.goto("/clusters/kafka-calm-1000")
    chart = page.locator("[data-chart]")
    if page.locator("script[src*='uplot']").count():
        expect(chart.locator("canvas")).to_be_visible()
        expect(chart.locator("[data-chart-fallback]")).to_have_count(0)
    else:
        expect(chart.locator("svg")).to_be_visible()
    assert problems == []


def test_a_stopped_service_makes_the_page_stale(
    browser: Browser, database_url: str, problems: list[str]
) -> None:
    with serving(database_url) as service:
        furnish(service)
        context = browser.new_context(base_url=service.url)
        page = context.new_page()
        sign_in(page)
        expect(page.locator("[data-live-status]")).to_have_text("Live")
    expect(page.locator("[data-live-status]")).to_contain_text("Stale since", timeout=15_000)
    expect(page.get_by_role("row").filter(has_text="kafka-calm-1000")).to_be_visible()
    context.close()


def test_a_signed_out_session_leaves_its_open_pages(page: Page, furnished: Furnished) -> None:
    sign_in(page)
    expect(page.locator("[data-live-status]")).to_have_text("Live")
    end_all_sessions(furnished)
    expect(page.get_by_role("heading", name="Sign in to Ottla")).to_be_visible(timeout=15_000)


def test_a_session_that_ended_before_its_page_went_live_leaves_too(
    page: Page, furnished: Furnished
) -> None:
    """The stream is then refused from its first request on, which an EventSource cannot see."""

    def end_first(route: Route) -> None:
        end_all_sessions(furnished)
        route.continue_()

    page.route("**/ui/**stream", end_first)
    sign_in(page)
    expect(page.get_by_role("heading", name="Sign in to Ottla")).to_be_visible(timeout=15_000)


def end_all_sessions(furnished: Furnished) -> None:
    with furnished.service.sessions.begin() as session:
        session.execute(update(ApiToken).values(revoked_at=make.now()))


def test_a_topic_is_created_without_leaving_the_page(page: Page, problems: list[str]) -> None:
    sign_in(page)
    page.goto("/clusters/kafka-calm-1000/topics")
    page.get_by_label("Name").fill("departures")
    page.get_by_role("button", name="Create topic").click()
    expect(page.get_by_text("Topic departures already exists.")).to_be_visible()
    page.get_by_label("Name").fill("boarding")
    page.get_by_role("button", name="Create topic").click()
    expect(page.get_by_role("row").filter(has_text="boarding")).to_be_visible(timeout=15_000)
    # The refused form is the browser's own note of a 422, not a fault of the page.
    assert [text for text in problems if "422" not in text] == []


@pytest.mark.parametrize("path", ["/sign-in", *PATHS])
def test_a_phone_needs_no_sideways_scroll(page: Page, path: str) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # made up by the test
    if path != "/sign-in":
        sign_in(page)
    page.goto(path)
    wide = page.evaluate("document.documentElement.scrollWidth")
    keep_picture(page, f"phone{path.replace('/', '-')}")
    assert wide <= PHONE["width"]


def test_pages_read_well_without_scripts(browser: Browser, furnished: Furnished) -> None:
    context = browser.new_context(base_url=furnished.service.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page)
    expect(page.get_by_role("row").filter(has_text="kafka-calm-1000")).to_be_visible()
    page.goto("/clusters/kafka-calm-1000")
    expect(page.locator("[data-chart] svg")).to_be_visible()
    page.goto("/clusters/kafka-calm-1000/topics")
    page.get_by_label("Name").fill("boarding")
    page.get_by_role("button", name="Create topic").click()
    expect(page.get_by_role("row").filter(has_text="boarding")).to_be_visible()
    context.close()

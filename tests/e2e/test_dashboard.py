"""The dashboard without a browser: who may see what, forms, headers, hostile text."""

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import update

from control_plane.models import Addon, ApiToken, Operation, Topic
from tests.conftest import wait_for
from tests.e2e.dashboard_world import EMAIL, HOSTILE, Furnished, furnish
from tests.factories import rows as make
from tests.fakes.service import serving

HTML = {"Accept": "text/html"}
CLUSTER = "/clusters/kafka-calm-1000"
PAGES = ("/", CLUSTER, f"{CLUSTER}/topics", f"{CLUSTER}/topics/departures/delete")


@pytest.fixture
def furnished(database_url: str) -> Iterator[Furnished]:
    with serving(database_url) as service:
        yield furnish(service)


@pytest.fixture
def visitor(furnished: Furnished) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=furnished.service.url, headers=HTML, timeout=20) as client:
        yield client


@pytest.fixture
def anna(visitor: httpx.Client) -> httpx.Client:
    signed_in = sign_in(visitor)
    assert signed_in.status_code == 303
    assert signed_in.headers["location"] == "/"
    return visitor


def csrf_of(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
    assert found, page.text
    return found[1]


def sign_in(client: httpx.Client, **changes: str) -> httpx.Response:
    form = {"csrf": csrf_of(client.get("/sign-in")), "email": EMAIL, "password": make.PASSWORD}
    return client.post("/sign-in", data={**form, **changes})


def test_pages_are_for_those_who_signed_in(visitor: httpx.Client) -> None:
    for path in PAGES:
        sent = visitor.get(path)
        assert sent.status_code == 303
        assert sent.headers["location"].startswith("/sign-in?next=%2F")
    for path in ("/ui/stream", "/ui/clusters/kafka-calm-1000/stream"):
        assert visitor.get(path).status_code == 401


def test_pages_show_what_there_is(anna: httpx.Client) -> None:
    for path in PAGES:
        assert anna.get(path).status_code == 200, path
    fleet = anna.get("/").text
    for words in ("kafka-calm-1000", "Available", "Failed", "No node has a free port", "MiB/s"):
        assert words in fleet
    cluster = anna.get(CLUSTER).text
    for words in ("departures", "700", "of 100", "127.0.0.1:20001", "The broker is serving."):
        assert words in cluster


def test_the_session_cookie_is_out_of_scripts_reach(visitor: httpx.Client) -> None:
    cookies = sign_in(visitor).headers.get_list("set-cookie")
    (session,) = [each for each in cookies if each.startswith("ottla_session=")]
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert "Path=/" in session


def test_over_https_cookies_stay_on_https(database_url: str) -> None:
    with serving(database_url, public_url="https://kafka.example.test") as service:
        page = httpx.get(f"{service.url}/sign-in")
    assert "Secure" in page.headers["set-cookie"]


def test_every_page_has_a_strict_policy(anna: httpx.Client) -> None:
    """Nothing inline, nothing from elsewhere, no framing; and the pages need nothing of that."""
    for path in (*PAGES, "/sign-in", "/no/such/page"):
        page = anna.get(path)
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert " style=" not in page.text
        assert not re.search(r"<script(?! src=)|<style|\son[a-z]+=\"|javascript:", page.text)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page.text)
    for path in PAGES:
        assert anna.get(path).headers["cache-control"] == "no-store"


def test_hostile_text_stays_text(anna: httpx.Client, furnished: Furnished) -> None:
    """Wherever text of users, brokers or the URL is shown, in pages and in live fragments."""
    with furnished.service.sessions.begin() as session:
        session.execute(update(Topic).values(error=HOSTILE))
        session.execute(update(Addon).values(state_reason=HOSTILE))
        session.execute(update(Operation).values(reason=HOSTILE, step="<script>step</script>"))
    pages = [anna.get(path).text for path in PAGES]
    pages.append(anna.get(f"/sign-in?next={HOSTILE}").text)
    pages.append(sign_in(anna, email=HOSTILE).text)
    pages.append(anna.get(f"{CLUSTER}/topics/{HOSTILE}/delete").text)
    form = {"csrf": csrf_of(anna.get(f"{CLUSTER}/topics")), "name": HOSTILE, "retention": HOSTILE}
    pages.append(anna.post(f"{CLUSTER}/topics", data=form).text)
    pages += [json.dumps(fragments_of(anna, path)) for path in (CLUSTER, "")]
    for page in pages:
        assert "<img src=x" not in page
        assert "<script>step" not in page
    assert sum("&lt;img src=x onerror" in page for page in pages) >= 5


def fragments_of(client: httpx.Client, path: str) -> dict[str, str]:
    """The first event of the page's stream."""
    with client.stream("GET", f"/ui{path}/stream") as s:
        assert s.headers["content-type"].startswith("text/event-stream")
        for line in s.iter_lines():
            if line.startswith("data: "):
                fragments: dict[str, str] = json.loads(line.removeprefix("data: "))
                return fragments
    raise AssertionError("the stream ended without an event")


def test_a_stream_begins_with_every_fragment_of_its_page(anna: httpx.Client) -> None:
    for path in ("", CLUSTER):
        page = anna.get(path or "/").text
        on_page = set(re.findall(r'data-fragment="([a-z-]+)"', page))
        assert on_page <= fragments_of(anna, path).keys()


def test_forms_without_their_token_are_refused(anna: httpx.Client) -> None:
    for path in ("/sign-out", f"{CLUSTER}/topics", f"{CLUSTER}/topics/departures/delete"):
        for csrf in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "\u00fc"}):
            refused = anna.post(path, data={**csrf, "name": "t", "confirm": "departures"})
            assert refused.status_code == 403
    assert sign_in(anna, csrf="0" * 64).status_code == 403
    assert anna.get("/").status_code == 200


def test_a_form_of_another_session_is_refused(anna: httpx.Client, furnished: Furnished) -> None:
    mine = csrf_of(anna.get("/"))
    with httpx.Client(base_url=furnished.service.url, headers=HTML) as other:
        assert sign_in(other).status_code == 303
        assert other.post("/sign-out", data={"csrf": mine}).status_code == 403


def test_signing_out_ends_the_session_itself(anna: httpx.Client, furnished: Furnished) -> None:
    cookie = anna.cookies["ottla_session"]
    assert anna.post("/sign-out", data={"csrf": csrf_of(anna.get("/"))}).status_code == 303
    stolen = httpx.get(
        f"{furnished.service.url}/", headers={**HTML, "Cookie": f"ottla_session={cookie}"}
    )
    assert stolen.status_code == 303
    with furnished.service.sessions() as session:
        assert session.query(ApiToken).filter(ApiToken.revoked_at.is_not(None)).count() == 1


def test_wrong_passwords_are_told_and_slowed(visitor: httpx.Client) -> None:
    first = sign_in(visitor, password="wrong")
    assert first.status_code == 401
    assert "There is no account with this e-mail address and password." in first.text
    statuses = [sign_in(visitor, password="wrong").status_code for _ in range(6)]
    assert statuses[-1] == 429
    assert "ottla_session" not in visitor.cookies


def test_an_operator_signs_in_by_token(visitor: httpx.Client, furnished: Furnished) -> None:
    assert sign_in(visitor, email="", password=furnished.token).status_code == 303
    assert visitor.get("/").status_code == 200


@pytest.mark.parametrize(
    "next_", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "\n/x"]
)
def test_a_sign_in_leads_nowhere_else(visitor: httpx.Client, next_: str) -> None:
    assert sign_in(visitor, next=next_).headers["location"] == "/"


def test_a_topic_is_created_by_form(anna: httpx.Client, furnished: Furnished) -> None:
    path = f"/clusters/{furnished.cluster.addon_id}/topics"
    form = {
        "csrf": csrf_of(anna.get(path)),
        "name": "boarding",
        "partition_count": "12",
        "retention": "36h",
    }
    made = anna.post(path, data=form)
    assert (made.status_code, made.headers["location"]) == (303, path)
    with furnished.service.sessions() as session:
        topic = session.query(Topic).filter_by(name="boarding").one()
        assert (topic.partition_count, topic.retention_ms) == (12, 36 * 3_600_000)
    assert "boarding" in anna.get(path).text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "a/b"}, "is not a topic name"),
        ({"name": ""}, "is not a topic name"),
        ({"name": "departures"}, "already exists"),
        ({"name": "t", "partition_count": "many"}, "Write a whole number."),
        ({"name": "t", "partition_count": "9999999999999"}, "Write a whole number."),
        ({"name": "t", "partition_count": "201"}, "1 to 200 partitions"),
        ({"name": "t", "retention": "soon"}, "is not a duration"),
        ({"name": "t", "retention": "30d"}, "The next plan that allows it is"),
        ({"name": "a\x00b"}, "is not a topic name"),
    ],
)
def test_a_bad_topic_form_keeps_what_was_typed(
    anna: httpx.Client, furnished: Furnished, form: dict[str, str], said: str
) -> None:
    path = f"{CLUSTER}/topics"
    refused = anna.post(path, data={"csrf": csrf_of(anna.get(path)), **form})
    assert refused.status_code == 422
    assert said in refused.text
    assert 'aria-invalid="true"' in refused.text
    with furnished.service.sessions() as session:
        assert session.query(Topic).count() == 4


def test_a_topic_is_deleted_by_its_typed_name(anna: httpx.Client, furnished: Furnished) -> None:
    path = f"{CLUSTER}/topics/departures/delete"
    csrf = csrf_of(anna.get(path))
    wrong = anna.post(path, data={"csrf": csrf, "confirm": "arrivals"})
    assert wrong.status_code == 422
    assert anna.post(path, data={"csrf": csrf, "confirm": "departures"}).status_code == 303
    with furnished.service.sessions() as session:
        assert session.query(Topic).filter_by(name="departures").one().state == "deleting"


def test_anothers_clusters_are_not_found(furnished: Furnished, visitor: httpx.Client) -> None:
    with furnished.service.sessions.begin() as session:
        make.tenant(session, "bert@example.test", password=make.PASSWORD)
    assert sign_in(visitor, email="bert@example.test").status_code == 303
    assert "No clusters yet" in visitor.get("/").text
    for path in PAGES[1:]:
        pages = [visitor.get(path), visitor.get(path.replace("calm", "none"))]
        assert [page.status_code for page in pages] == [404, 404]
        assert pages[0].text == pages[1].text
    for path in ("stream", "series"):
        assert visitor.get(f"/ui{CLUSTER}/{path}").status_code == 404


def test_a_silence_is_a_gap_never_a_zero(anna: httpx.Client) -> None:
    columns = anna.get(f"/ui{CLUSTER}/series").json()
    bytes_in = columns["series"][0]
    assert len(columns["t"]) == len(bytes_in) == 360
    assert sum(value is None for value in bytes_in) >= 15  # four silent minutes
    assert all(value > 0 for value in bytes_in if value is not None)
    later = anna.get(f"/ui{CLUSTER}/series", params={"after": columns["t"][-2]}).json()
    assert later["t"][0] >= columns["t"][-2]
    assert len(later["t"]) <= 3


def test_a_closed_page_gives_its_stream_back(anna: httpx.Client, furnished: Furnished) -> None:
    for _ in range(5):
        fragments_of(anna, "")
    wait_for(lambda: furnished.service.context.streams.taken == 0, "the end of the streams")

"""What a refusal looks like, whatever was wrong."""

import socket
import uuid
from urllib.parse import urlsplit

import httpx
import pytest

from control_plane.http.limits import BODY_BYTES_MAX
from tests.fakes.service import Service
from tests.integration.api.conftest import World

FIELDS = {"id", "message", "url", "request_id", "details"}


def assert_refusal(answer: httpx.Response, status: int, error_id: str) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == FIELDS
    assert body["id"] == error_id
    assert body["message"]
    assert body["request_id"] == answer.headers["request-id"]


def test_every_refusal_has_one_shape(world: World) -> None:
    anna = world.anna
    assert_refusal(anna.get("/apps/nobodys"), 404, "not_found")
    assert_refusal(anna.get("/no/such/path"), 404, "not_found")
    assert_refusal(anna.put("/apps"), 405, "method_not_allowed")
    assert_refusal(anna.post("/apps", json={"name": "Bad Name"}), 422, "invalid_params")
    assert_refusal(anna.post("/apps", json={"name": "flights"}), 409, "conflict")
    assert_refusal(httpx.get(f"{world.service.url}/account"), 401, "unauthorized")
    assert_refusal(anna.get("/nodes"), 403, "forbidden")


@pytest.mark.parametrize(
    "content",
    [b"{", b"not json", b"\xff\xfe", b'{"name": ' + b"[" * 100_000, b'{"name": 1e999999}'],
)
def test_bad_json_is_told_apart(world: World, content: bytes) -> None:
    answer = world.anna.post("/apps", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json().keys() == FIELDS


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", ["flights"], 7, {"a": 1}, "x" * 31])
def test_bad_values_are_refused_not_stored(world: World, name: object) -> None:
    import json

    answer = world.anna.post(
        "/apps",
        content=json.dumps({"name": name}),
        headers={"Content-Type": "application/json"},
    )
    assert_refusal(answer, 422, "invalid_params")


@pytest.mark.parametrize("text", ["%00", "a%00b", "%ed%a0%80", "x" * 2000, "%0a", "..%2f.."])
def test_odd_paths_are_not_found(world: World, text: str) -> None:
    for path in (f"/apps/{text}", f"/addons/{text}", f"/data/kafka/v0/clusters/{text}"):
        assert world.anna.get(path).status_code == 404


def test_a_huge_body_is_refused_announced_or_not(world: World) -> None:
    announced = world.anna.post("/apps", content=b"x" * (BODY_BYTES_MAX + 1))
    assert_refusal(announced, 413, "request_too_large")
    chunks = (b"x" * 65536 for _ in range(20))
    streamed = world.anna.post(
        "/apps", content=chunks, headers={"Content-Type": "application/json"}
    )
    assert_refusal(streamed, 413, "request_too_large")


def test_a_request_that_breaks_off_harms_nobody(service: Service) -> None:
    address = urlsplit(service.url)
    for _ in range(3):
        with socket.create_connection((address.hostname or "", address.port or 0)) as half:
            half.sendall(b"POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    assert httpx.get(f"{service.url}/healthz").status_code == 200


def test_request_ids_are_kept_or_made(service: Service) -> None:
    mine = str(uuid.uuid4())
    kept = httpx.get(f"{service.url}/healthz", headers={"Request-Id": f"{mine},{uuid.uuid4()}"})
    assert kept.headers["request-id"] == mine
    for bad in ("nonsense", "<script>", "a" * 5000):
        made = httpx.get(f"{service.url}/healthz", headers={"Request-Id": bad})
        assert uuid.UUID(made.headers["request-id"])


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/vnd.ottla+json; version=1", 200),
        ("application/vnd.heroku+json; version=3", 200),
        ("application/vnd.heroku+json; version=3.sdk", 200),
        ("application/json", 200),
        ("*/*", 200),
        ("application/vnd.ottla+json; version=2", 406),
        ("application/vnd.heroku+json; version=2", 406),
        ("image/png", 406),
    ],
)
def test_versions_are_negotiated(world: World, accept: str, status: int) -> None:
    answer = world.anna.get("/apps", headers={"Accept": accept})
    assert answer.status_code == status
    assert ("warning" in answer.headers) == (accept in {"application/json", "*/*"})


def test_an_unchanged_list_is_304(world: World) -> None:
    first = world.anna.get("/apps")
    again = world.anna.get("/apps", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    world.anna.post("/apps", json={"name": "another"})
    changed = world.anna.get("/apps", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200

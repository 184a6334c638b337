"""Refusals of every layer, translated."""

import pytest
from sqlalchemy.exc import DataError, OperationalError

from control_plane.domain import errors as refusals
from control_plane.http.errors import ERRORS, ApiError, api_error_from, check_path_text


@pytest.mark.parametrize(
    ("error", "status", "error_id"),
    [
        (refusals.NotFound("x"), 404, "not_found"),
        (refusals.NotFound("x", field="plan"), 422, "invalid_params"),
        (refusals.Gone("x"), 410, "gone"),
        (refusals.Unauthorized("x"), 401, "unauthorized"),
        (refusals.Forbidden("x"), 403, "forbidden"),
        (refusals.Conflict("x"), 409, "conflict"),
        (refusals.PlanLimit("x", field="f"), 422, "plan_limit"),
        (refusals.Invalid("x", code="idempotency_mismatch"), 422, "idempotency_mismatch"),
        (refusals.Unavailable("x"), 503, "unavailable"),
        (refusals.ServiceError("x"), 400, "bad_request"),
        (DataError("", {}, Exception()), 422, "invalid_params"),
        (OperationalError("", {}, Exception()), 503, "unavailable"),
        (ZeroDivisionError("secret"), 500, "internal_error"),
    ],
)
def test_translation(error: Exception, status: int, error_id: str) -> None:
    found = api_error_from(error)
    assert (found.status, found.id) == (status, error_id)
    assert "secret" not in found.message
    assert ("Retry-After" in found.headers) == (status == 503)


def test_every_refusal_of_a_service_has_an_id_in_the_catalogue() -> None:
    kinds: list[type[refusals.ServiceError]] = [
        refusals.ServiceError,
        *refusals.ServiceError.__subclasses__(),
        refusals.PlanLimit,
    ]
    for kind in kinds:
        found = api_error_from(kind("x"))
        assert found.id not in ERRORS or ERRORS[found.id][0] == found.status


@pytest.mark.parametrize("text", ["\x00", "a\nb", "x" * 301, "\u202e"])
def test_texts_no_name_can_be(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_path_text(text, "app")
    assert refused.value.status == 404

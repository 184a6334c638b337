"""Where a sign-in may lead: nowhere but this site."""

import pytest

from control_plane.dashboard.sign_in import is_local_path


@pytest.mark.parametrize("path", ["/", "/clusters/x", "/clusters/x?tab=1"])
def test_own_pages(path: str) -> None:
    assert is_local_path(path)


@pytest.mark.parametrize(
    "path",
    ["", "x", "//evil", "/\\evil", "http://evil", "javascript:x", "/\r\nLocation: x", "///evil"],
)
def test_everything_else(path: str) -> None:
    assert not is_local_path(path)

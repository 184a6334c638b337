"""Names: made up as Heroku's are, checked with errors that say what is wrong."""

import random
import re

import pytest

from control_plane.domain import names
from control_plane.domain.errors import Invalid


def test_made_up_names_are_valid_and_repeatable() -> None:
    for seed in range(200):
        made = names.addon_name(random.Random(seed))
        assert re.fullmatch(r"kafka-[a-z]+-\d{4,5}", made)
        assert names.check_addon_name(made) == names.addon_name(random.Random(seed))
        names.check_app_name(names.app_name(random.Random(seed)))


def test_the_first_attachment_is_kafka_and_the_next_has_a_colour() -> None:
    rng = random.Random(1)
    assert names.attachment_name(rng, set()) == "KAFKA"
    second = names.attachment_name(rng, {"KAFKA"})
    assert re.fullmatch(r"KAFKA_[A-Z]+", second)
    with pytest.raises(Invalid, match="choose one"):
        names.attachment_name(rng, {"KAFKA", *(f"KAFKA_{colour}" for colour in names.COLOURS)})


@pytest.mark.parametrize("name", ["a", "1ab", "Ab1", "ab-", "a" * 31, "a b", "a_b", "", "ab\n"])
def test_no_app_names(name: str) -> None:
    with pytest.raises(Invalid):
        names.check_app_name(name)


@pytest.mark.parametrize("name", ["kafka", "1KAFKA", "KAF-KA", "", "_KAFKA", "KAFKA\n"])
def test_no_attachment_names(name: str) -> None:
    with pytest.raises(Invalid):
        names.check_attachment_name(name)


@pytest.mark.parametrize("name", ["a", "a" * 249, "Flight_Delays-2013.v1", "...", "_internal"])
def test_topic_names(name: str) -> None:
    assert names.check_topic_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "a" * 250, "ä", "a\n", "__consumer_offsets"]
)
def test_no_topic_names(name: str) -> None:
    with pytest.raises(Invalid):
        names.check_topic_name(name)


def test_dots_and_underscores_collide() -> None:
    assert names.topics_collide("a.b_c", "a_b.c")
    assert not names.topics_collide("a.b", "a-b")


def test_the_url_comes_first() -> None:
    """Heroku's plugin takes the first name that ends in _URL."""
    assert list(names.config_var_names("PRIMARY").values()) == [
        "PRIMARY_URL",
        "PRIMARY_TRUSTED_CERT",
        "PRIMARY_CLIENT_CERT",
        "PRIMARY_CLIENT_CERT_KEY",
    ]


def test_email_addresses() -> None:
    assert names.check_email("Grete@Example.com") == "grete@example.com"
    for text in ("", "grete", "@example.com", "a b@example.com"):
        with pytest.raises(Invalid):
            names.check_email(text)

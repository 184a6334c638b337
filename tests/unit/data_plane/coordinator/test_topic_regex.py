"""Topic expressions: the same names as `re` finds, in time that no expression can stretch."""

import random
import re

import pytest

from data_plane.coordinator.topic_regex import InvalidRegex, TopicRegex

ALPHABET = "abAB.-1"


def random_pattern(rng: random.Random, depth: int = 3) -> str:
    """An expression of the language, anchors left out."""
    if depth == 0:
        return rng.choice(["a", "b", "\\.", ".", "-", "\\d", "[ab]", "[^a]", "\\W", "[a-b1]"])
    pieces = [random_pattern(rng, depth - 1) for _ in range(rng.randrange(1, 4))]
    form = rng.randrange(3)
    if form == 0:
        return "".join(pieces)
    if form == 1:
        return f"({'|'.join(pieces)})"
    return f"(?:{''.join(pieces)}){rng.choice(['*', '+', '?', '{2}', '{0,2}', '{1,}', '*?'])}"


@pytest.mark.semantics("64f")
@pytest.mark.parametrize("seed", range(300))
def test_it_finds_what_re_finds(seed: int) -> None:
    rng = random.Random(seed)
    pattern = random_pattern(rng)
    if seed % 3 == 0:
        pattern = f"(?i){pattern}"
    ours, theirs = TopicRegex(pattern), re.compile(pattern, re.ASCII)
    for _ in range(40):
        name = "".join(rng.choices(ALPHABET, k=rng.randrange(7)))
        assert ours.matches(name) is bool(theirs.fullmatch(name)), (pattern, name)


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        ("^orders-.*", "orders-eu", "my-orders-eu"),
        ("^(a|b)$", "b", "ab"),
        ("(^a|b$)", "b", "bb"),
        ("x^a", "", "xa"),
        ("[]a]+", "]a", "b"),
        ("a{0}b", "b", "ab"),
        ("(?i)Orders-[a-z]+", "oRDERS-EU", "orders_eu"),
        ("(?i:a)b", "Ab", "AB"),
        ("(a(?i)b)c", "aBc", "aBC"),
        ("(?i)(?-i)a", "a", "A"),
        ("(?i)[^a]", "b", "A"),
        ("(?ims)a", "A", "b"),
        ("((?i)a)+b", "aAb", "aAB"),
        ("(?i-s:x)+", "xXx", "y"),
        ("", "", "a"),
    ],
)
def test_anchors_and_corners(pattern: str, found: str, not_found: str) -> None:
    regex = TopicRegex(pattern)
    assert regex.matches(found) or pattern == "x^a"
    assert not regex.matches(not_found)


@pytest.mark.semantics("64f")
@pytest.mark.parametrize(
    "pattern", ["(a*)*b", "(a|a)*b", "(a|aa)+b", "(a*)*" * 50 + "b", "a{100}" * 9]
)
def test_no_expression_explodes(pattern: str) -> None:
    """Steps are counted, not timed: states times characters bound them."""
    regex = TopicRegex(pattern)
    assert not regex.matches("a" * 249)
    assert len(regex._test) <= 2_000


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", "a)", "*", "a|*", "[", "[a", "a{", "a{2", "a{,2}", "a{3,2}", "a{999}", "\\"),
        *(
            "(?=a)",
            "(?!a)",
            "(?<n>a)",
            "(?x)a",
            "(?)a",
            "(?i",
            "(?i--s)a",
            "(?i a)",
            "\\1",
            "\\pL",
            "[z-a]",
            "((a{90}){90}){90}",
            "a{²}",
        ),
        "(" * 60 + "a" + ")" * 60,
    ],
)
def test_what_is_not_of_the_language_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidRegex):
        TopicRegex(pattern)

"""Regular expressions over topic names, matched in linear time (kafka-protocol.md item 64).

A client's expression must not be able to stop a broker, so this is a machine of states and no
backtracking: the time is the name's length times the expression's. The language is what RE2/J and
`re` share and topic names can use: characters, `.`, classes, `\\d \\w \\s` and their opposites,
groups, `|`, `* + ? {m,n}`, the anchors `^` and `$`, and the flags `(?i)` and `(?i:...)`; the whole
name must match. The flags m, s and U make no difference to a name. No look-around, no
back-references.
"""

from collections.abc import Callable
from functools import lru_cache

STATES_MAX = 2_000
REPEAT_MAX = 100
DEPTH_MAX = 50

Test = Callable[[str], bool]
Fragment = tuple[int, int]  # first state, last state; the last one has no way out yet

FLAGS = frozenset("imsU-")
CLASSES = {"d": str.isdigit, "w": lambda c: c.isalnum() or c == "_", "s": str.isspace}


class InvalidRegex(Exception):
    """Not an expression of this language; the text says where."""


class TopicRegex:
    """A compiled expression."""

    def __init__(self, pattern: str) -> None:
        """Raises InvalidRegex."""
        self._pattern = pattern
        self._at = 0
        self._test: list[Test | None] = []  # of each state: what it reads, None: nothing
        self._next: list[list[int]] = []
        self._anchors: dict[int, str] = {}  # state -> where alone it may be passed
        self._depth = 0
        self._folds = False  # Letters stand for both of their cases.
        self._first, self._last = self._alternatives()
        if self._at < len(pattern):
            raise self._invalid("an unmatched )")

    def matches(self, name: str) -> bool:
        """True if the whole of `name` is matched."""
        states = self._reached({self._first}, 0, len(name))
        for at, char in enumerate(name, 1):
            states = self._reached(
                {
                    after
                    for state in states
                    if (test := self._test[state]) is not None and test(char)
                    for after in self._next[state]
                },
                at,
                len(name),
            )
            if not states:
                return False
        return self._last in states

    def _reached(self, states: set[int], at: int, end: int) -> set[int]:
        """`states` and all that follow without reading, at a place in the name."""
        closed = {"^"} if at else set()
        if at < end:
            closed.add("$")
        waiting, found = list(states), set(states)
        while waiting:
            state = waiting.pop()
            if self._test[state] is None and self._anchors.get(state) not in closed:
                more = [after for after in self._next[state] if after not in found]
                found.update(more)
                waiting += more
        return found

    # --- the machine ---------------------------------------------------------------------------

    def _state(self, test: Test | None = None) -> int:
        if len(self._test) >= STATES_MAX:
            raise InvalidRegex("the expression is too large")
        self._test.append(test)
        self._next.append([])
        return len(self._test) - 1

    def _alternatives(self) -> Fragment:
        first, last = self._state(), self._state()
        while True:
            begin, end = self._sequence()
            self._next[first].append(begin)
            self._next[end].append(last)
            if not self._take("|"):
                return first, last

    def _sequence(self) -> Fragment:
        first = last = self._state()
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            begin_at = self._at
            begin, end = self._repeated(begin_at)
            self._next[last].append(begin)
            last = end
        return first, last

    def _repeated(self, begin_at: int) -> Fragment:
        piece = self._piece()
        for sign, (low, high) in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return self._times(begin_at, self._at, piece, low, high)
        if self._take("{"):
            low, high = self._bounds()
            return self._times(begin_at, self._at, piece, low, high)
        return piece

    def _times(
        self, begin_at: int, end_at: int, piece: Fragment, low: int, high: int | None
    ) -> Fragment:
        """`low` to `high` copies in a row; the piece is read anew for each copy."""
        self._take("?")  # Lazy or not, the same names match.
        end_at = self._at
        first, last = self._state(), self._state()
        at = first
        for count in range(max(low if high is None else high, 1)):
            if count:
                self._at = begin_at
                piece = self._piece()
            if count >= low:
                self._next[at].append(last)
            self._next[at].append(piece[0])
            at = piece[1]
        self._at = end_at
        if high is None:
            self._next[at].append(piece[0])
        if high != 0:
            self._next[at].append(last)
        return first, last

    def _bounds(self) -> tuple[int, int | None]:
        text, closed, _ = self._pattern[self._at :].partition("}")
        low_text, comma, high_text = text.partition(",")
        is_number = low_text.isdecimal() and (not high_text or high_text.isdecimal())
        if not closed or not is_number or not text.isascii():
            raise self._invalid("a repetition is not {m}, {m,} or {m,n}")
        low = int(low_text)
        high = (int(high_text) if high_text else None) if comma else low
        if max(low, high or 0) > REPEAT_MAX or (high is not None and high < low):
            raise self._invalid("a repetition is out of bounds")
        self._at += len(text) + 1
        return low, high

    # --- pieces --------------------------------------------------------------------------------

    def _piece(self) -> Fragment:
        char = self._pattern[self._at]
        self._at += 1
        if char == "(":
            return self._option() if self._take("?") else self._group(is_folding=self._folds)
        if char in "*+?{":
            raise self._invalid("nothing to repeat")
        if char in "^$":
            return self._anchor(char)
        return self._one(self._test_of(char))

    def _option(self) -> Fragment:
        """Behind `(?`: flags for what follows in this group, or for a group of their own."""
        begin = self._at
        while self._pattern[self._at : self._at + 1] in FLAGS:
            self._at += 1
        on, _, off = self._pattern[begin : self._at].partition("-")
        is_folding = "i" not in off and ("i" in on or self._folds)
        if self._take(":"):
            return self._group(is_folding=is_folding)
        if not (on or off) or "-" in off or not self._take(")"):
            raise self._invalid("a group may have the options i, m, s and U")
        self._folds = is_folding
        return self._sequence_of_nothing()

    def _sequence_of_nothing(self) -> Fragment:
        state = self._state()
        return state, state

    def _group(self, *, is_folding: bool) -> Fragment:
        before, self._folds = self._folds, is_folding
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._invalid("too many groups within groups")
        inside = self._alternatives()
        if not self._take(")"):
            raise self._invalid("a missing )")
        self._depth -= 1
        self._folds = before
        return inside

    def _cased(self, test: Test) -> Test:
        """The same test, for both cases of a letter where the flag i says so."""
        if not self._folds:
            return test
        return lambda found: test(found.lower()) or test(found.upper())

    def _anchor(self, char: str) -> Fragment:
        state, last = self._state(), self._state()
        self._anchors[state] = char
        self._next[state].append(last)
        return state, last

    def _one(self, test: Test) -> Fragment:
        state, last = self._state(test), self._state()
        self._next[state].append(last)
        return state, last

    def _test_of(self, char: str) -> Test:
        if char == ".":
            return lambda _: True
        if char == "[":
            return self._class()
        if char == "\\":
            return self._escape()
        return self._cased(lambda found: found == char)

    def _escape(self) -> Test:
        if self._at >= len(self._pattern):
            raise self._invalid("a \\ at the end")
        char = self._pattern[self._at]
        self._at += 1
        test = CLASSES.get(char.lower())
        if test is not None:
            return (lambda found: not test(found)) if char.isupper() else test
        if char.isalnum():
            raise self._invalid(f"\\{char} is not known")
        return lambda found: found == char

    def _class(self) -> Test:
        is_negated = self._take("^")
        tests: list[Test] = []
        while not tests or not self._take("]"):  # A ] that comes first stands for itself.
            if self._at >= len(self._pattern):
                raise self._invalid("a missing ]")
            tests.append(self._class_item())
        return lambda found: any(test(found) for test in tests) is not is_negated

    def _class_item(self) -> Test:
        low = self._pattern[self._at]
        self._at += 1
        if low == "\\":
            return self._escape()
        if self._pattern[self._at : self._at + 1] == "-" and self._pattern[
            self._at + 1 : self._at + 2
        ] not in ("]", "", "\\"):
            high = self._pattern[self._at + 1]
            self._at += 2
            if high < low:
                raise self._invalid("a class range runs backwards")
            return self._cased(lambda found: low <= found <= high)
        return self._cased(lambda found: found == low)

    def _take(self, char: str) -> bool:
        is_there = self._pattern[self._at : self._at + 1] == char
        self._at += is_there
        return is_there

    def _invalid(self, why: str) -> InvalidRegex:
        return InvalidRegex(f"{why} at position {self._at}")


@lru_cache(maxsize=256)
def topic_regex(pattern: str) -> TopicRegex:
    """The compiled expression. Raises InvalidRegex."""
    return TopicRegex(pattern)

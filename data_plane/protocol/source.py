"""A small writer of Python source, for both code generators: lines, names, constants."""

from collections.abc import Callable
from typing import Any


class Source:
    """Lines of one function body, and the constants its text refers to."""

    def __init__(self, **constants: Any) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = dict(constants)
        self.depth = 1
        self._names = 0

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def name(self, hint: str) -> str:
        """Return a local name no other call returned."""
        self._names += 1
        return f"{hint}{self._names}"

    def bind(self, hint: str, value: Any) -> str:
        """Return a name under which the text finds `value`."""
        name = self.name(hint.upper())
        self.constants[name] = value
        return name

    def function(self, signature: str) -> Callable[..., Any]:
        """Compile the lines as the body of `def <signature>:` and return the function."""
        text = f"def {signature}:\n" + "\n".join(self.lines) + "\n"
        # The text comes from our own declarations alone; nothing from outside reaches it.
        exec(compile(text, f"<{signature}>", "exec"), self.constants)  # noqa: S102 - code of our own making alone
        return self.constants[signature.partition("(")[0]]  # type: ignore[no-any-return]  # of the type its caller asked to be made

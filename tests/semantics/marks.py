"""Which tests claim which clause, read from the sources without importing them."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
MARKER: Final = "semantics"

Claims = Mapping[str, list[str]]  # clause ("13b") -> node ids of tests, in order


class BadMark(Exception):
    """A mark that names nothing; the text says where it stands."""


def claims(folder: Path = ROOT / "tests") -> dict[str, list[str]]:
    """Every marked test by clause. Raises BadMark for a mark that is not a list of texts."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text()
        if f"mark.{MARKER}(" not in text:
            continue
        name = path.relative_to(folder.parent).as_posix()
        for function, keys in marked(ast.parse(text), name):
            for key in keys:
                found.setdefault(key, []).append(f"{name}::{function}")
    return found


def marked(tree: ast.Module, name: str) -> Iterator[tuple[str, list[str]]]:
    """Each marked test function of a file, and the clauses that it claims."""
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        keys = [key for one in node.decorator_list for key in _keys(one, name)]
        if keys and not node.name.startswith("test_"):
            raise BadMark(f"{name}: {node.name} is no test")
        if keys:
            yield node.name, keys


def _keys(decorator: ast.expr, name: str) -> list[str]:
    if not (
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr == MARKER
    ):
        return []
    keys = [
        argument.value
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    if not keys or len(keys) != len(decorator.args):
        raise BadMark(f"{name}:{decorator.lineno}: a mark lists clauses as texts")
    return keys

"""Strongly connected components (Tarjan 1972), without recursion."""

from collections.abc import Hashable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def components(edges: Mapping[Node, AbstractSet[Node]]) -> Iterator[list[Node]]:
    """Yield each component of two nodes or more: each holds a cycle."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    stack: list[Node] = []
    on_stack: set[Node] = set()
    none: frozenset[Node] = frozenset()
    for root in edges:
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        path = [(root, iter(edges.get(root, none)))]
        while path:
            node, targets = path[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    path.append((target, iter(edges.get(target, none))))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == index[node]:
                    found = pop_until(stack, on_stack, node)
                    if len(found) > 1:
                        yield found


def pop_until(stack: list[Node], on_stack: set[Node], node: Node) -> list[Node]:
    found: list[Node] = []
    while not found or found[-1] != node:
        found.append(stack.pop())
        on_stack.discard(found[-1])
    return found

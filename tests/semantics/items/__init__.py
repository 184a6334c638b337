"""The 98 semantics, one file per subject."""

from typing import Final

from tests.semantics.item import Clause, Item
from tests.semantics.items import (
    admin,
    cleaning,
    fetch,
    framing,
    groups,
    offsets,
    produce,
    replication,
    security,
    storage,
    transactions,
)

ITEMS: Final[tuple[Item, ...]] = (
    *framing.ITEMS,
    *produce.ITEMS,
    *fetch.ITEMS,
    *offsets.ITEMS,
    *cleaning.ITEMS,
    *groups.ITEMS,
    *transactions.ITEMS,
    *replication.ITEMS,
    *admin.ITEMS,
    *security.ITEMS,
    *storage.ITEMS,
)

CLAUSES: Final[dict[str, Clause]] = {
    key: clause
    for one in ITEMS
    for key, clause in zip(one.clause_keys(), one.clauses.values(), strict=True)
}

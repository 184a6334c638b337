"""A database that can be brought back to what it held before.

To copy a database costs Postgres 0.4 s of CPU, to put some hundred rows back a thirtieth of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Saved:
    """Every row by table, as COPY gives them; each counter's value, and whether it was used."""

    rows: Mapping[str, bytes]
    counters: Mapping[str, tuple[int, bool]]


class Rewinder:
    """Tables are those that are there when it is made: for data, not for changes of the schema."""

    def __init__(self, database_url: str) -> None:
        """Raises psycopg.OperationalError where there is no such database."""
        self.url = database_url
        with psycopg.connect(database_url) as connection:
            self._tables = _names(connection, "SELECT tablename FROM pg_tables")
            self._counters = _names(connection, "SELECT sequencename FROM pg_sequences")

    def saved(self) -> Saved:
        """What is committed now; whoever is in the middle of a transaction is not disturbed."""
        rows, counters = {}, {}
        with psycopg.connect(self.url) as connection:
            for table in self._tables:
                statement = sql.SQL("COPY {} TO STDOUT (FORMAT binary)")
                with connection.cursor().copy(statement.format(sql.Identifier(table))) as copy:
                    rows[table] = b"".join(bytes(part) for part in copy)
            for name in self._counters:
                counter = sql.SQL("SELECT last_value, is_called FROM {}")
                found = connection.execute(counter.format(sql.Identifier(name))).fetchone()
                assert found is not None
                counters[name] = (found[0], found[1])
        return Saved(rows, counters)

    def restore(self, saved: Saved, *, ends_others: bool = False) -> None:
        """Put everything back. ends_others: close whatever connections are left of others."""
        with psycopg.connect(self.url) as connection:
            if ends_others:
                connection.execute(OTHERS)
            # Tables come back whole, so that the order in which they refer to each other is none.
            connection.execute("SET session_replication_role = replica")
            for table in self._tables:
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
                statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)")
                with connection.cursor().copy(statement.format(sql.Identifier(table))) as copy:
                    copy.write(saved.rows[table])
            for name, (value, is_called) in saved.counters.items():
                connection.execute("SELECT setval(%s, %s, %s)", (name, value, is_called))


def _names(connection: psycopg.Connection, query: str) -> list[str]:
    return [row[0] for row in connection.execute(f"{query} WHERE schemaname = 'public'".encode())]

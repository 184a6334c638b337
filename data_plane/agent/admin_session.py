"""The agent's own way into one cluster: certificate files, a kept connection, calls in a thread."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from data_plane.agent.admin_state import AdminFailed, AdminOutcome, apply, roll_view
from data_plane.agent.kafka_admin import AdminAccess
from data_plane.agent.node import ClosableAdmin, Node
from data_plane.agent.ports import LOOPBACK
from data_plane.agent.storage import ClusterStorage, write_atomically
from data_plane.contract.rolling import RollView
from data_plane.contract.spec import ClusterSpec

Answer = TypeVar("Answer")
RETRY_DELAYS_S = (0.05, 0.2, 0.5)  # within one apply; the worker repeats whole applies


class AdminSession:
    def __init__(self, node: Node, storage: ClusterStorage) -> None:
        self._node = node
        self._storage = storage
        self._admin: ClosableAdmin | None = None
        self._access: tuple[ClusterSpec, tuple[int, ...]] | None = None
        self._is_closed = False

    async def apply(
        self,
        spec: ClusterSpec,
        admin_ports: Sequence[int],
        brokers_answer: Callable[[], Awaitable[bool]],
        *,
        may_finalize: bool,
    ) -> AdminOutcome:
        """Apply topics and ACLs; a broken connection is made anew, a few times.

        Not while the brokers hang: each try would last its whole time-out, and the worker that
        waits for it could not tell of the hanging meanwhile.
        Raises AdminFailed, or SecretUnopened where the admin key is not for this node.
        """
        access = self._written_access(spec, admin_ports)
        loop = asyncio.get_running_loop()
        for delay_s in (*RETRY_DELAYS_S, None):
            try:
                return await loop.run_in_executor(
                    self._node.threads, self._apply, access, spec, may_finalize
                )
            except AdminFailed:
                if delay_s is None or not await brokers_answer():
                    raise
                await asyncio.sleep(delay_s)
        raise AssertionError("the last attempt returns or raises")

    async def roll_view(self, spec: ClusterSpec, admin_ports: Sequence[int]) -> RollView:
        """The cluster as a roll must see it; brokers that are down are the caller's affair.

        Raises as `apply` does.
        """
        access = self._written_access(spec, admin_ports)

        def look(admin: ClosableAdmin) -> RollView:
            return roll_view(admin)

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._node.threads, self._ask, access, look)

    def _apply(self, access: AdminAccess, spec: ClusterSpec, may_finalize: bool) -> AdminOutcome:
        return self._ask(access, lambda admin: apply(admin, spec, may_finalize=may_finalize))

    def _ask(self, access: AdminAccess, ask: Callable[[ClosableAdmin], Answer]) -> Answer:
        """In a thread of the pool; one at a time, as the worker awaits it."""
        if self._admin is None:
            self._admin = self._node.connect_admin(access)
        try:
            return ask(self._admin)
        except AdminFailed:
            self._drop()
            raise
        finally:
            if self._is_closed:  # closed while this was under way
                self._drop()

    def _written_access(self, spec: ClusterSpec, ports: Sequence[int]) -> AdminAccess:
        """Write the session's files where they differ; a changed spec or port reconnects."""
        directory = self._storage.admin
        key = (spec, tuple(ports))
        if self._access is None or self._access[0] is not spec or self._access[1] != key[1]:
            if spec.admin_key is None:
                raise AdminFailed("the spec holds no admin key, so topics cannot be applied")
            files = {
                "client.crt": spec.admin_certificate_pem.encode(),
                "client.key": self._node.open_secret(spec.admin_key),
                "trusted_ca.crt": spec.trusted_ca_pem.encode(),
            }
            if any(_content(directory / name) != content for name, content in files.items()):
                for name, content in files.items():
                    write_atomically(directory / name, content)
                self._drop()
            elif self._access is not None and self._access[1] != key[1]:
                self._drop()
            self._access = key
        return AdminAccess(
            bootstrap=[f"{LOOPBACK}:{port}" for port in ports],
            certificate_file=directory / "client.crt",
            key_file=directory / "client.key",
            ca_file=directory / "trusted_ca.crt",
        )

    def close(self) -> None:
        self._is_closed = True
        self._drop()

    def reset(self) -> None:
        """The brokers were restarted, or the files removed: connect anew next time."""
        self._access = None
        self._drop()

    def _drop(self) -> None:
        if self._admin is not None:
            admin, self._admin = self._admin, None
            admin.close()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None

"""A client of another language: a program that reads a command per line and answers with a line.

Command `{"do": NAME, ...}`; answer `{"ok": RESULT}` or `{"error": TEXT}`. Bytes are base64. What
the program prints on stderr goes to a file, and its end into the error when the program dies.
"""

import json
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.conformance.client import (
    PLAIN,
    READ_SECONDS_MAX,
    Client,
    ClientFailed,
    GroupSeen,
    Membership,
)
from tests.conformance.record import Record, from_json, to_json
from tests.conformance.security import Security

ANSWER_SECONDS_MAX = READ_SECONDS_MAX + 210  # a JVM that is starved starts within a minute or two


class JsonLinesClient(Client):
    """Subclasses say which program to run."""

    def __init__(self, address: str, security: Security | None = None) -> None:
        super().__init__(address, security)
        argv = [*self.argv(), address]
        if security is not None:
            argv.append(str(security.settings_file()))
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self.directory(),
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def argv(self) -> Sequence[str]:
        """The program; the bootstrap address is appended, then a file of security settings."""
        raise NotImplementedError

    def directory(self) -> Path | None:
        """Where the program runs."""
        return None

    def close(self) -> None:
        """End of input ends the program."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # Some libraries print banners.
                self._lines.put(line)
        self._lines.put("")

    def ask(self, command: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=ANSWER_SECONDS_MAX)
        except BrokenPipeError:
            line = ""
        except queue.Empty:
            raise ClientFailed(f"{command}: no answer within {ANSWER_SECONDS_MAX} s") from None
        if not line:
            raise ClientFailed(f"{command}: {self._end()}: {self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ClientFailed(f"{command}: {answer['error']}")
        return answer["ok"]

    def _end(self) -> str:
        """How the program ended: by itself, or by which signal."""
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            return "the program closed its output"
        by = f"by {signal.Signals(-code).name}" if code < 0 else f"with {code}"
        return f"the program ended {by}"

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-1500:].strip()

    def version(self) -> str:
        return str(self.ask("version"))

    def produce(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        codec: str = "none",
        idempotent: bool = False,
    ) -> None:
        lines = [to_json(record) for record in records]
        self.ask("produce", topic=topic, records=lines, codec=codec, idempotent=idempotent)

    def read(
        self, topic: str, partitions: int, count: int, *, committed_only: bool = False
    ) -> list[Record]:
        return self._records(
            "read",
            topic=topic,
            partitions=partitions,
            count=count,
            committed_only=committed_only,
            seconds=READ_SECONDS_MAX,
        )

    def _records(self, command: str, **arguments: Any) -> list[Record]:
        return [from_json(told) for told in self.ask(command, **arguments)]

    def join(self, member: str, group: str, topic: str, how: Membership = PLAIN) -> None:
        self.ask(
            "join",
            member=member,
            group=group,
            topic=topic,
            instance=how.instance_id,
            cooperative=how.is_cooperative,
        )

    def join_by_heartbeat(self, member: str, group: str, topic: str) -> None:
        self.ask("join", member=member, group=group, topic=topic, protocol="consumer")

    def assigned(self, member: str) -> list[int]:
        return sorted(self.ask("assigned", member=member))

    def taken(self, member: str, count: int) -> list[Record]:
        return self._records("taken", member=member, count=count, seconds=READ_SECONDS_MAX)

    def commit(self, member: str) -> None:
        self.ask("commit", member=member)

    def leave(self, member: str) -> None:
        self.ask("leave", member=member)

    def transaction(
        self, transactional_id: str, topic: str, records: Sequence[Record], *, commit: bool
    ) -> None:
        lines = [to_json(record) for record in records]
        self.ask("transaction", id=transactional_id, topic=topic, records=lines, commit=commit)

    def transform(self, transactional_id: str, group: str, source: str, target: str) -> int:
        return int(
            self.ask("transform", id=transactional_id, group=group, source=source, target=target)
        )

    def create_topic(self, topic: str, partitions: int, configs: Mapping[str, str]) -> None:
        self.ask(
            "create_topic",
            topic=topic,
            partitions=partitions,
            replicas=self.replicas,
            configs=dict(configs),
        )

    def delete_topic(self, topic: str) -> None:
        self.ask("delete_topic", topic=topic)

    def add_partitions(self, topic: str, partitions: int) -> None:
        self.ask("add_partitions", topic=topic, partitions=partitions)

    def topics(self) -> dict[str, int]:
        return dict(self.ask("topics"))

    def alter_topic(self, topic: str, configs: Mapping[str, str]) -> None:
        self.ask("alter_topic", topic=topic, configs=dict(configs))

    def topic_configs(self, topic: str) -> dict[str, str]:
        return dict(self.ask("topic_configs", topic=topic))

    def groups(self) -> list[str]:
        return list(self.ask("groups"))

    def describe_group(self, group: str) -> GroupSeen:
        told = self.ask("describe_group", group=group)
        return GroupSeen(state=told["state"].lower(), members=told["members"])

    def committed(self, group: str, topic: str, partitions: int) -> dict[int, int]:
        told = self.ask("committed", group=group, topic=topic, partitions=partitions)
        return {int(partition): offset for partition, offset in told.items() if offset >= 0}

    def delete_group(self, group: str) -> None:
        self.ask("delete_group", group=group)

    def allow_read(self, principal: str, topic: str) -> None:
        self.ask("allow_read", principal=principal, topic=topic)

    def acls(self, topic: str) -> list[str]:
        return list(self.ask("acls", topic=topic))

    def delete_acls(self, topic: str) -> None:
        self.ask("delete_acls", topic=topic)

    def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        return int(self.ask("offset_at", topic=topic, partition=partition, at_ms=at_ms))

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        self.ask("delete_before", topic=topic, partition=partition, offset=offset)

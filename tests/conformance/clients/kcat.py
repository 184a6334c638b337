"""Debian's old kcat with librdkafka 2.0.2: every call is a process of its own.

Values are told apart by lengths in the output format, so that any byte may be in them. A member's
process is `kcat -G`; it commits what it printed when it ends, which is the only commit it knows.
"""

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from tests.conformance.client import (
    PLAIN,
    READ_SECONDS_MAX,
    Client,
    ClientFailed,
    Membership,
    NotRun,
)
from tests.conformance.record import Record
from tests.conformance.security import Security
from tests.conformance.world import settle

# partition, offset, timestamp, key and value lengths (-1: null), headers; then key and value.
FORMAT = "%p %o %T %K %S %h\n%k%s"
# Between the parts of what is written: text that no scenario's record holds.
KEY_END, RECORD_END = "<key ends>", "<record ends>"
CHATTER = "% Reading configuration"
BLOCK_BYTES = 65536  # more than kcat asks its input for at once
NO_ADMIN = "kcat administers nothing"


class KcatClient(Client):
    name: ClassVar[str] = "kcat"
    lacks: ClassVar[Mapping[str, str]] = {
        "commit inside": "it commits what it printed, and prints all it reads",
        **dict.fromkeys(("KIP-848", "migration"), "its librdkafka is older than that"),
        "null header": "its command line has no way to write one",
        "partitions, times": "its command line sets no timestamps",
        "append time": "its command line sets no timestamps",
        "cooperative": "its consumer of a group assigns everything anew",
        "beyond a session": "it cannot prove itself anew, and ends when its only broker hangs up",
        "exactly once": "its command line has no consumer in a transaction",
        **dict.fromkeys(
            ("topics", "add partitions", "configs", "groups", "ACLs", "delete records"), NO_ADMIN
        ),
    }

    def __init__(self, address: str, security: Security | None = None) -> None:
        super().__init__(address, security)
        found = shutil.which("kcat")
        if found is None:
            raise NotRun("kcat is not installed (tests/toolchains/debian.txt)")
        self._bare = found
        self.program = [found, "-b", address]
        if security is not None:
            self.program += ["-F", str(_settings_file(security))]
        self._members: dict[str, KcatMember] = {}

    def version(self) -> str:
        text = subprocess.run([self._bare, "-V"], capture_output=True, text=True).stdout
        found = re.search(r"Version (\S+) .*librdkafka (\S+)", text)
        assert found is not None, text
        return f"{found[1]}, librdkafka {found[2]}"

    def close(self) -> None:
        for member in list(self._members):
            self.leave(member)

    def produce(
        self,
        topic: str,
        records: Sequence[Record],
        *,
        codec: str = "none",
        idempotent: bool = False,
    ) -> None:
        """One process for each run of records that differ in key and value alone."""
        settings = ["-X", f"enable.idempotence={str(idempotent).lower()}", "-X", "acks=all"]
        settings += ["-X", "message.max.bytes=1048588", "-z", codec, "-t", topic]
        settings += ["-X", "linger.ms=20"]
        for batch in _of_one_shape(records):
            first = batch[0]
            options = [*settings, "-p", str(first.partition), "-K", KEY_END, "-D", RECORD_END]
            for name, value in first.headers:
                options += ["-H", f"{name}={os.fsdecode(value or b'')}"]
            if first.value is None:
                options.append("-Z")
            self._run(["-P", *options], _input(batch))

    def read(
        self, topic: str, partitions: int, count: int, *, committed_only: bool = False
    ) -> list[Record]:
        found: list[Record] = []
        isolation = "read_committed" if committed_only else "read_uncommitted"
        for partition in range(partitions):
            options = ["-C", "-t", topic, "-p", str(partition), "-o", "beginning", "-e", "-q"]
            options += ["-X", f"isolation.level={isolation}"]
            found += _parse(self._run([*options, "-f", FORMAT], b""))
        return found[:count]

    def transaction(
        self, transactional_id: str, topic: str, records: Sequence[Record], *, commit: bool
    ) -> None:
        """The end of the input commits; an interrupt (Ctrl-C) aborts."""
        options = ["-P", "-t", topic, "-K", KEY_END, "-D", RECORD_END, "-p", "0"]
        options += ["-X", f"transactional.id={transactional_id}", "-X", "linger.ms=5"]
        if commit:
            self._run(options, _input(records))
            return
        wanted = len(records) + self._log_end(topic)
        with subprocess.Popen(
            [*self.program, *options],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdin is not None
            # kcat reads whole blocks: what fills the last one never ends, and so is no record.
            process.stdin.write(_input(records) + b"." * BLOCK_BYTES)
            process.stdin.flush()
            settle(lambda: self._log_end(topic) == wanted, lambda: "nothing arrived")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=READ_SECONDS_MAX)

    def _log_end(self, topic: str) -> int:
        return len(self.read(topic, 1, sys.maxsize))

    def _run(self, options: Sequence[str], given: bytes) -> bytes:
        done = subprocess.run(
            [*self.program, *options],
            input=given,
            capture_output=True,
            timeout=READ_SECONDS_MAX,
        )
        if done.returncode:
            told = done.stderr.decode(errors="replace").splitlines()
            raise ClientFailed(" | ".join(line for line in told if not line.startswith(CHATTER)))
        return done.stdout

    def join(self, member: str, group: str, topic: str, how: Membership = PLAIN) -> None:
        self._members[member] = KcatMember(self.program, group, topic, how)

    def assigned(self, member: str) -> list[int]:
        return self._members[member].assigned()

    def taken(self, member: str, count: int) -> list[Record]:
        return self._members[member].taken(count)

    def commit(self, member: str) -> None:
        """kcat commits by itself when it ends; `leave` follows in every scenario."""

    def leave(self, member: str) -> None:
        self._members.pop(member).leave()

    def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        told = self._run(["-Q", "-t", f"{topic}:{partition}:{at_ms}"], b"").decode()
        return int(told.rsplit(" ", 1)[1])


class KcatMember:
    """`kcat -G`, its output parsed as it grows, its rebalances read from stderr."""

    def __init__(self, program: Sequence[str], group: str, topic: str, how: Membership) -> None:
        settings = ["-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=10000"]
        # It may stop in the middle of what it printed: one record at a time keeps commits exact.
        settings += ["-X", "heartbeat.interval.ms=500", "-u", "-f", FORMAT]
        if how.instance_id:
            settings += ["-X", f"group.instance.id={how.instance_id}"]
        self._folder = tempfile.TemporaryDirectory(prefix="ottla-kcat-")
        self._out = Path(self._folder.name, "out")
        self._errors = Path(self._folder.name, "errors")
        with self._out.open("wb") as out, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*program, *settings, "-G", group, topic], stdout=out, stderr=errors
            )
        self._handed_out = 0
        self._lock = threading.Lock()

    def assigned(self) -> list[int]:
        told = self._errors.read_text(errors="replace").splitlines()
        rebalances = [line for line in told if "rebalanced" in line]
        if not rebalances or "assigned:" not in rebalances[-1]:
            return []
        return sorted(int(index) for index in re.findall(r"\[(\d+)\]", rebalances[-1]))

    def taken(self, count: int) -> list[Record]:
        deadline = time.monotonic() + READ_SECONDS_MAX
        while True:
            new = _parse(self._out.read_bytes())[self._handed_out :]
            if len(new) >= count or time.monotonic() > deadline:
                self._handed_out += len(new[:count])
                return new[:count]
            time.sleep(0.1)

    def leave(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(READ_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise ClientFailed("kcat -G did not end") from None
        finally:
            self._folder.cleanup()


def _settings_file(security: Security) -> Path:
    """Passwords are no arguments."""
    path = security.folder / f"kcat-{security.kind}.conf"
    path.write_text("".join(f"{name}={value}\n" for name, value in security.librdkafka().items()))
    return path


def _of_one_shape(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Runs of records that one process can write."""
    for _, run in itertools.groupby(records, _shape):
        yield list(run)


def _shape(record: Record) -> tuple[object, ...]:
    return record.partition, record.headers, record.value is None


def _input(batch: Sequence[Record]) -> bytes:
    """A record without the key's delimiter has a null key."""
    return b"".join(
        (b"" if one.key is None else one.key + KEY_END.encode())
        + (one.value or b"")
        + RECORD_END.encode()
        for one in batch
    )


def _parse(data: bytes) -> list[Record]:
    found = []
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        partition, offset, timestamp, key_size, value_size, headers = (
            data[at:end].decode(errors="surrogateescape").split(" ", 5)
        )
        at = end + 1
        sizes = (int(key_size), int(value_size))
        if len(data) < at + sum(max(size, 0) for size in sizes):
            break  # The rest is still to be printed.
        parts = []
        for size in sizes:
            parts.append(data[at : at + size] if size >= 0 else None)
            at += max(size, 0)
        found.append(
            Record(
                key=parts[0],
                value=parts[1],
                headers=_headers(headers),
                partition=int(partition),
                timestamp_ms=int(timestamp),
                offset=int(offset),
            )
        )
    return found


def _headers(text: str) -> tuple[tuple[str, bytes | None], ...]:
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return tuple((name, os.fsencode(value)) for name, _, value in pairs)

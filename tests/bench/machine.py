"""On what, with what and how the figures came about."""

import os
import platform
import ssl
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("uvloop", "crc32c", "confluent-kafka", "cramjam", "lz4", "zstandard")


def conditions() -> str:
    """The head of the report."""
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    return "\n".join(
        [
            f"machine   {os.cpu_count()} x {processor()}, {memory_gib():.0f} GiB, load {load}",
            f"system    {platform.system()} {platform.release()}, {platform.libc_ver()[1]} libc",
            f"versions  Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, "
            + ", ".join(f"{name} {package_version(name)}" for name in PACKAGES),
            "method    CPU of the broker's process (user and system, all threads) per request,",
            "          best of N rounds, rows interleaved; client and broker share the machine",
            "commits   ack.durability=replicated (commit at the write, sync by flush.ms)",
            '          unless the row says "synced" (commit at the sync)',
        ]
    )


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)


def package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"

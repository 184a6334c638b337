"""How foreign clients are installed: what must not take the whole machine."""

import os
from pathlib import Path

from tests.conformance.toolchains.node import bound_compilers


def test_a_native_build_starts_one_compiler_per_core(tmp_path: Path) -> None:
    gyp = tmp_path / "librdkafka.gyp"
    gyp.write_text('"action": [\n  "make", "-j", "-C", "librdkafka", "libs"\n]\n')
    for _ in range(2):  # a build that broke off is begun again
        bound_compilers(gyp)
        wanted = f'"make", "-j{os.cpu_count()}", "-C", "librdkafka", "libs"'
        assert gyp.read_text() == f'"action": [\n  {wanted}\n]\n'

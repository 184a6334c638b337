"""Run the marked tests and read what became of each."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.semantics.marks import MARKER, ROOT
from tests.semantics.verdict import PASSED


def run(files: Sequence[str], *, jobs: int, is_quiet: bool) -> dict[str, str]:
    """Node id without parameters -> "passed", or the worst that happened to any of its cases."""
    with tempfile.TemporaryDirectory(prefix="ottla-semantics-") as folder:
        report = Path(folder, "report.xml")
        argv = [sys.executable, "-m", "pytest", "-q", "-m", MARKER, f"--junitxml={report}"]
        parallel = ["-n", str(jobs), "--dist", "loadfile"] if jobs > 1 else []
        output = sys.stderr if is_quiet else None
        subprocess.run([*argv, *parallel, *files], cwd=ROOT, check=False, stdout=output)
        return outcomes_of(report.read_text()) if report.exists() else {}


def outcomes_of(report: str) -> dict[str, str]:
    """Read pytest's JUnit report."""
    found: dict[str, str] = {}
    for case in ElementTree.fromstring(report).iter("testcase"):
        module = case.get("classname", "").replace(".", "/")
        test = f"{module}.py::{case.get('name', '').partition('[')[0]}"
        bad = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
        if bad or test not in found:
            found[test] = bad[0] if bad else PASSED
    return found

"""`python -m tests.semantics`: run the tests of the 98 semantics, print what each one shows.

The exit code is 0 only if nothing is failing; what is open counts as failing.
"""

import argparse
import json
import sys

from tests.semantics.items import ITEMS
from tests.semantics.marks import ROOT, claims
from tests.semantics.run import run
from tests.semantics.table import as_json, markdown, plain
from tests.semantics.verdict import FAILING, PASSED, judge, totals

DOCUMENT = ROOT / "docs" / "SEMANTICS.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.semantics")
    parser.add_argument("items", nargs="*", type=int, metavar="item", help="only these numbers")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--list", action="store_true", help="run nothing; take tests for passed")
    parser.add_argument("--write", action="store_true", help="write docs/SEMANTICS.md; run nothing")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (2)")
    asked = parser.parse_args()
    items = [one for one in ITEMS if not asked.items or one.number in asked.items]
    found = claims()
    if asked.write:
        DOCUMENT.write_text(markdown(judge(ITEMS, found, trusted(found))))
        return 0
    wanted = {key: found[key] for one in items for key in one.clause_keys() if key in found}
    if asked.list:
        outcomes = trusted(wanted)
    else:
        tests = {test for tests in wanted.values() for test in tests}
        chosen = sorted(tests if asked.items else {test.partition("::")[0] for test in tests})
        outcomes = run(chosen, jobs=asked.jobs, is_quiet=asked.json)
    verdicts = judge(items, wanted, outcomes)
    if asked.json:
        print(json.dumps(as_json(verdicts), indent=2))
    else:
        print("\n".join(plain(verdicts)))
    return 1 if totals(verdicts)[FAILING] else 0


def trusted(found: dict[str, list[str]]) -> dict[str, str]:
    """Every test passed, as `make test` sees to it."""
    return {test: PASSED for tests in found.values() for test in tests}


if __name__ == "__main__":
    sys.exit(main())

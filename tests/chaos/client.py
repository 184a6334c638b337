"""One client process: `python -m tests.chaos.client ORDER`, the order as JSON."""

import json
import logging
import os
import sys
import traceback

from tests.chaos.clients.base import ClientError
from tests.chaos.workloads import WORKLOADS
from tests.chaos.workloads.task import EXIT_DOUBT, Order, Task


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    logging.basicConfig(level=logging.ERROR)  # Why a library gave up; else it says nothing.
    task = Task(order)
    code = 0
    try:
        WORKLOADS[order.workload](task)
    except ClientError as error:
        task.record.note("admin", "info", name="ended", error=error.name)
        code = EXIT_DOUBT
    except BaseException:
        task.record.note("admin", "info", name="crashed", error=traceback.format_exc(limit=5))
        code = 1
    sys.stdout.flush()
    os._exit(code)  # A client library may still be waiting for a broker that is gone.


if __name__ == "__main__":
    main()

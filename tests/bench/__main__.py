"""`make bench`: measure a broker of this checkout and print every figure beside its target."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

from tests.bench import (
    against,
    calls,
    cluster,
    compaction,
    idle,
    latency,
    librdkafka,
    partitions,
    quorum,
    recovery,
    throughput,
)
from tests.bench.figures import HEADINGS, Figure, reasons, table
from tests.bench.machine import conditions
from tests.bench.settings import Settings
from tests.bench.yardstick import yardstick
from tests.progress import Progress

PARTS: dict[str, Callable[[Settings], Iterator[Figure]]] = {
    "calls": calls.run,
    "throughput": throughput.run,
    "latency": latency.run,
    "idle": idle.run,
    "partitions": partitions.run,
    "recovery": recovery.run,
    "compaction": compaction.run,
    "quorum": quorum.run,
    "cluster": cluster.run,
    "librdkafka": librdkafka.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser()
    options = made.parse_args(arguments)
    if options.against and options.parts:
        made.error("--against has a load of its own: no parts beside it")
    settings = Settings(
        rounds=options.n,
        share=options.share,
        idle_connections=options.connections,
        idle_tls_connections=options.tls_connections,
        partitions=options.partitions,
        recovery_mb=options.recovery_mb,
        client_mb=options.client_mb,
    )
    print(conditions())
    print(yardstick(), flush=True)
    print(settings.told())
    if options.against:
        print(against.conditions(), flush=True)
        print(against.table(list(against.run(settings))))
        return 0
    missed = 0
    names = options.parts or list(PARTS)
    for at, name in enumerate(names):
        print(f"\n{name}", flush=True)
        figures = rows(f"{name} ({at + 1} of {len(names)})", PARTS[name](settings))
        print(table([HEADINGS, *(figure.row() for figure in figures)]), flush=True)
        for reason in reasons(figures):
            print(reason, flush=True)
        missed += sum(figure.verdict == "MISSED" for figure in figures)
    print(f"\n{missed} figures missed")
    return 0


def rows(label: str, part: Iterator[Figure]) -> list[Figure]:
    """Those of a part, some of which take minutes."""
    with Progress(0, what="figures", label=label) as progress:
        figures = []
        for figure in part:
            figures.append(figure)
            progress.step(1)
    return figures


def parser() -> argparse.ArgumentParser:
    whole = Settings()
    made = argparse.ArgumentParser(prog="make bench", description=__doc__)
    made.add_argument("parts", nargs="*", choices=[[], *PARTS], help="default: all")
    made.add_argument(
        "--against", choices=("apache",), help="librdkafka's load on Apache Kafka too, side by side"
    )
    made.add_argument("--n", type=int, default=whole.rounds, help="rounds of each row")
    made.add_argument("--share", type=float, default=whole.share, help="of each row's requests")
    made.add_argument("--connections", type=int, default=whole.idle_connections)
    made.add_argument("--tls-connections", type=int, default=whole.idle_tls_connections)
    made.add_argument("--partitions", type=int, default=whole.partitions)
    made.add_argument("--recovery-mb", type=int, default=whole.recovery_mb)
    made.add_argument("--client-mb", type=int, default=whole.client_mb)
    return made


if __name__ == "__main__":
    sys.exit(main())

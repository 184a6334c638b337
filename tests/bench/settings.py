"""How much is measured: the whole by default, a share of it where time or memory is short."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """rounds: N, the interleaved repetitions of each quick row; share: of each row's requests."""

    rounds: int = 5
    share: float = 1.0
    idle_connections: int = 10_000
    idle_tls_connections: int = 10_000
    partitions: int = 10_000
    recovery_mb: int = 1_000
    client_mb: int = 400
    dirty_partitions: tuple[int, ...] = (1, 8, 50, 500)

    def told(self) -> str:
        """The line of the report."""
        return "settings  " + ", ".join(f"{name} {value}" for name, value in vars(self).items())

    def count(self, requests: int) -> int:
        return max(8, int(requests * self.share))


TINY = Settings(
    rounds=1,
    share=0.005,
    idle_connections=20,
    idle_tls_connections=5,
    partitions=30,
    recovery_mb=1,
    client_mb=1,
    dirty_partitions=(1, 20),
)

"""Aimed blows that no world has but those aimed at them (aims.py, LATER)."""

from collections.abc import Mapping

from data_plane.coordinator.transaction import TransactionState
from data_plane.log.swap import SWAP
from tests.simulation.aimed import TRANSACTIONS, Act, Aimed, Led
from tests.simulation.clients import ImpatientProducer
from tests.simulation.cluster_invariants import log_of
from tests.simulation.plan import COMPACTED, MAIN

LOOKED_FOR_MS = 3_000


class AimedLater(Aimed):
    """Swaps of compactions, what was sent in an earlier epoch, clocks of coordinators, stops."""

    @property
    def kinds(self) -> Mapping[str, Act]:
        return {
            "role changed in a swap": self._role_changed_in_a_swap,
            "batch of an epoch before": self._batch_of_an_epoch_before,
            "clock set in a transaction": self._clock_set_in_a_transaction,
            "decision not committed yet": self._decision_not_committed_yet,
            "all told to stop": self._all_told_to_stop,
            "mode changed, leader lost": self._mode_changed_leader_lost,
        }

    def _role_changed_in_a_swap(self) -> None:
        """A replica gets another role while the swap that ends its compaction is being synced."""
        led = self._led(COMPACTED, isr_min=3)
        if led is None:
            return
        self._world.count("role changed in a swap")
        found: list[int] = []

        def is_compacting() -> bool:
            found[:] = [one for one in led.first.replicas if self._is_compacting(led, one)]
            return bool(found)

        def slow() -> None:
            self._slow_followers(found, 1_500.0, LOOKED_FOR_MS)
            self._until(lambda: self._has_swap(led, found[0]), change, ms_max=LOOKED_FOR_MS)

        def change() -> None:
            others = [one for one in led.row.replicas if one != found[0]]
            is_leader = led.row.leader == found[0]
            order = [*others, found[0]] if is_leader else [found[0], *others]
            self._order(led, order, lambda: None)

        self._until(is_compacting, slow, ms_max=LOOKED_FOR_MS)

    def _is_compacting(self, led: Led, number: int) -> bool:
        broker = self._machine(number).broker
        log = None if broker is None else log_of(broker, led.first)
        return log is not None and log.compaction.run is not None

    def _has_swap(self, led: Led, number: int) -> bool:
        machine = self._machine(number)
        log = None if machine.broker is None else log_of(machine.broker, led.first)
        names = [] if log is None else machine.disk.files.list_names(log.directory)
        return any(name.endswith(SWAP) for name in names)

    def _batch_of_an_epoch_before(self) -> None:
        """What a producer has given up comes when it writes in its next epoch (KIP-360)."""
        self._world.count("batch of an epoch before")
        held_ms = self._rng.choice([4_400, 5_000, 6_000])
        for worker in self._world.workers:
            if isinstance(worker, ImpatientProducer):
                for machine in self._world.machines:
                    self._world.streams.stick(worker.number, machine.number, held_ms)

    def _clock_set_in_a_transaction(self) -> None:
        """A coordinator's wall clock is set a minute ahead, or back, when a transaction is open."""
        led = self._led(TRANSACTIONS, is_used=True)
        if led is None:
            return
        self._world.count("clock set in a transaction")
        clock = self._machine(led.leader).clock
        jump_ms = self._rng.choice([60_000, 60_000, -60_000])

        def set_clock() -> None:
            clock.wall_offset_ms += jump_ms

        self._until(lambda: self._has_open(led.leader), set_clock, ms_max=LOOKED_FOR_MS)

    def _decision_not_committed_yet(self) -> None:
        """Who coordinates next has what was decided, and does not hear for a while that it counts.

        The other follower lacks it, and cannot follow before the log has been loaded.
        """
        led = self._led(TRANSACTIONS, isr_min=3, is_used=True)
        if led is None:
            return
        self._world.count("decision not committed yet")
        ahead, behind = led.followers
        blocked = self._world.streams.blocked
        ways = {(one, behind) for one in (led.leader, ahead)}
        ways |= {(b, a) for a, b in ways}
        self._with_slow_network(LOOKED_FOR_MS)

        def mend() -> None:
            blocked.difference_update(ways)

        def hold() -> None:
            blocked.update(ways)
            decided = led.end(led.leader)
            self._until(lambda: led.end(ahead) >= decided > 0, lose, ms_max=500, otherwise=mend)

        def lose() -> None:
            self._crash(led.leader, back_ms=3_000)
            self._until(
                lambda: led.row.leader == ahead,
                lambda: self._after(1_500, mend),
                ms_max=2_500,
                otherwise=mend,
            )

        self._until(lambda: bool(self._owed(led.leader)), hold, ms_max=LOOKED_FOR_MS)

    def _all_told_to_stop(self) -> None:
        """By a service manager; the directory of the last one is not there when it starts again."""
        if not self._nemesis.may_lose_directory():
            return
        self._world.count("all told to stop")
        machines = self._rng.sample(list(self._world.machines), len(self._world.machines))
        apart_ms = self._rng.choice([0, 5, 60])
        for place, machine in enumerate(machines):
            self._schedule.after(place * apart_ms, machine.stop)
        last, life = machines[-1], machines[-1].life

        def lose() -> None:
            if last.life == life + 1:  # It is not back already.
                self._nemesis.lose_directory(last)

        self._until(lambda: last.host is None, lose, ms_max=LOOKED_FOR_MS)

    def _mode_changed_leader_lost(self) -> None:
        """Who leads next does not know how much was committed, and is to go over to `synced`.

        Nobody has a disk that is quick enough to have all of it synced.
        """
        led = self._led(MAIN, isr_min=3, is_used=True)
        if led is None:
            return
        self._world.count("mode changed, leader lost")
        self._with_slow_network(2_000)
        self._nemesis.flush_each(is_so=True)
        for number in led.followers:
            self._machine(number).disk.sync_ms_mean = 1_000.0
        committed = 0

        def is_to_change() -> bool:
            configs = self._world.invariants.image.topic_configs(MAIN)
            return configs.get("flush.messages") == "1"

        def wait() -> None:
            nonlocal committed
            committed = led.committed
            self._until(lambda: led.committed > committed, lose, ms_max=40, otherwise=lose)

        def lose() -> None:
            self._crash(led.leader, back_ms=self._rng.choice([20, 500]))

        def mend() -> None:
            self._nemesis.flush_each(is_so=False)
            for number in led.followers:
                self._machine(number).disk.sync_ms_mean = 1.0

        self._until(is_to_change, wait, ms_max=1_000)
        self._after(3_000, mend)

    def _has_open(self, coordinator: int) -> bool:
        return any(
            one.state is TransactionState.ONGOING
            for shard in self._shards(coordinator)
            for one in shard.transactions.values()
        )

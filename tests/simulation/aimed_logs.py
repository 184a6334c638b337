"""Aimed blows at logs: who holds more than others, and loses it, or is lost with it."""

from collections.abc import Mapping

from tests.simulation.aimed import Act, Aimed
from tests.simulation.plan import MAIN

SILENT_MS = 6_500  # A dead machine is fenced by then.


class AimedLogs(Aimed):
    """Leaders, followers and their disks."""

    @property
    def kinds(self) -> Mapping[str, Act]:
        return {
            "next leader lost too": self._next_leader_lost_too,
            "new epoch lost": self._new_epoch_lost,
            "leader left alone": self._leader_left_alone,
            "power lost ahead": self._power_lost_ahead,
            "all crash ahead": self._all_crash_ahead,
            "marker at the tail": self._marker_at_the_tail,
            "mode changed, one slow": self._mode_changed_one_slow,
            "empty directory in E": self._empty_directory_in_e,
            "topic made, power lost": self._topic_made_power_lost,
            "failed sync": self._failed_sync,
        }

    def _next_leader_lost_too(self) -> None:
        """A leader is lost with what one follower has; the other leads, has that cut, and is lost.

        So who leads next has just cut off what its clients will try again.
        """
        led = self._led(MAIN, isr_min=3)
        if led is None:
            return
        self._world.count("next leader lost too")
        behind, ahead = self._rng.sample(led.followers, 2)
        ways = {(led.leader, behind), (behind, led.leader)}
        self._cut(ways)

        def lose_first() -> None:
            reached = led.end(ahead)
            self._mend(ways)
            self._crash(led.leader, back_ms=20)
            self._until(
                lambda: -1 < led.end(ahead) < reached,
                lambda: self._crash(behind, back_ms=3_000),
                ms_max=3_000,
            )

        self._until(
            lambda: led.end(ahead) > led.end(behind) > -1,
            lambda: self._after(self._rng.choice([20, 200]), lose_first),
            ms_max=1_500,
            otherwise=lambda: self._mend(ways),
        )

    def _new_epoch_lost(self) -> None:
        """Of a leader's whole epoch one follower knows nothing, and leads next.

        The epoch is new because the other follower's process died, which it does again if it would
        lead. Whoever is the controller hears of everybody.
        """
        led = self._led(MAIN, isr_min=3)
        if led is None:
            return
        self._world.count("new epoch lost")
        behind, ahead = sorted(led.followers, key=lambda one: one == self._controller())
        ways = {(led.leader, behind), (behind, led.leader)}
        blocked = self._world.streams.blocked
        blocked |= ways
        epoch = led.first.leader_epoch

        def mend() -> None:
            blocked.difference_update(ways)

        def is_known_to_one() -> bool:
            return led.epoch(behind) <= epoch < led.epoch(ahead)

        def lose() -> None:
            mend()
            self._crash(led.leader, back_ms=3_000)
            if ahead in led.row.isr and led.followers.index(ahead) < led.followers.index(behind):
                self._crash(ahead, back_ms=300)

        self._crash(ahead, back_ms=20)
        self._until(
            is_known_to_one,
            lambda: self._after(self._rng.choice([20, 400]), lose),
            ms_max=2_500,
            otherwise=mend,
        )

    def _leader_left_alone(self) -> None:
        """Slow disks put its followers out of sync; it commits alone, and is lost."""
        led = self._led(MAIN, isr_min=2)
        if led is None:
            return
        self._world.count("leader left alone")
        self._slow_followers(led.followers, 12_000.0, 8_000)

        def lose() -> None:
            self._crash(led.leader, back_ms=self._rng.choice([2_000, 6_000]))

        self._until(
            lambda: led.row.isr == (led.leader,),
            lambda: self._after(self._rng.choice([300, 900]), lose),
            ms_max=6_000,
        )

    def _power_lost_ahead(self) -> None:
        """Power fails where something is committed that is not on that disk.

        At times it comes back before anybody has missed it; at times another one is just away.
        """
        led = self._led(MAIN, isr_min=3)
        if led is None or not self._nemesis.may_lose_pages():
            return
        self._world.count("power lost ahead")
        victim, other = self._rng.sample([led.leader, self._rng.choice(led.followers)], 2)
        is_one_away = self._rng.random() < 0.5
        away = next(n for n in led.first.replicas if n not in (victim, other))
        back_ms = self._rng.choice([20, 20, 300])

        def lose() -> None:
            self._loses_power(victim, back_ms=back_ms)
            self._start(away)

        def strike() -> None:
            self._until(
                lambda: -1 < led.synced(victim) < led.committed <= led.end(victim),
                lose,
                ms_max=1_500,
                otherwise=lambda: self._start(away),
            )

        if not is_one_away:
            strike()
            return
        self._crash(away, back_ms=None)
        self._until(
            lambda: away not in led.row.isr,
            lambda: self._after(self._rng.choice([200, 700]), strike),
            ms_max=2_000,
            otherwise=lambda: self._start(away),
        )

    def _all_crash_ahead(self) -> None:
        """All processes die when all hold what nobody was told of; its producers try it again."""
        led = self._led(MAIN, isr_min=3)
        if led is None:
            return
        self._world.count("all crash ahead")
        self._until(
            lambda: min(map(led.end, led.first.replicas)) > led.committed,
            self._crash_all,
            ms_max=2_500,
        )

    def _marker_at_the_tail(self) -> None:
        """All processes die when a transaction's end is in a log, and not committed.

        One follower has its records, and not that.
        """
        led = self._led(MAIN, isr_min=3)
        if led is None:
            return
        self._world.count("marker at the tail")
        behind = self._rng.choice(led.followers)
        ways = {(led.leader, behind), (behind, led.leader)}
        self._after(200, lambda: self._cut(ways))

        def lose() -> None:
            self._mend(ways)
            self._crash_all()

        self._until(
            lambda: led.ended_at(led.leader) < led.committed < led.end(led.leader),
            lose,
            ms_max=2_500,
            otherwise=lambda: self._mend(ways),
        )

    def _crash_all(self) -> None:
        for machine in self._world.machines:
            self._crash(machine.number, back_ms=20)

    def _mode_changed_one_slow(self) -> None:
        """Everybody is to have synced what is committed before that is the rule; one takes long."""
        led = self._led(MAIN, isr_min=3)
        if led is None:
            return
        self._world.count("mode changed, one slow")
        self._slow_followers([self._rng.choice(led.followers)], 4_000.0, 3_500)
        self._after(50, lambda: self._nemesis.flush_each(is_so=True))
        self._after(3_000, lambda: self._nemesis.flush_each(is_so=False))

    def _empty_directory_in_e(self) -> None:
        """One follower cannot follow; the other is lost, so stays in E; its directory is, too.

        It comes back, as the controller knows, with another one.
        """
        led = self._led(MAIN, isr_min=3)
        if led is None or self._nemesis.is_synced or not self._nemesis.may_lose_directory():
            return
        self._world.count("empty directory in E")
        behind, lost = self._rng.sample(led.followers, 2)
        machine = self._machine(lost)
        ways = {(led.leader, behind), (behind, led.leader)}
        blocked = self._world.streams.blocked
        blocked |= ways

        def lose() -> None:
            self._crash(lost, back_ms=None)
            self._until(lambda: lost not in led.row.isr, replace, ms_max=1_500, otherwise=mend)

        def replace() -> None:
            self._nemesis.lose_directory(machine)
            self._start(lost)
            self._until(is_back, lambda: self._after(300, mend), ms_max=4_000, otherwise=mend)

        def is_back() -> bool:
            known = self._world.invariants.image.brokers.get(lost)
            return known is not None and known.incarnation_id == machine.incarnation_id

        def mend() -> None:
            blocked.difference_update(ways)
            self._start(lost)

        self._until(lambda: behind not in led.row.isr, lose, ms_max=5_000, otherwise=mend)

    def _topic_made_power_lost(self) -> None:
        """Power fails where a topic has just been made, and written to."""
        topics = set(self._world.invariants.image.topics)

        def made() -> list[str]:
            return [
                name
                for name, row in self._world.invariants.rows()
                if name not in topics and self._world.invariants.oracle(name, 0).end > 0
            ]

        def lose() -> None:
            row = self._world.invariants.image.topics[made()[0]].partitions[0]
            if self._nemesis.may_lose_pages():
                self._world.count("topic made, power lost")
                self._loses_power(self._rng.choice(row.isr or row.replicas), back_ms=20)

        self._until(lambda: bool(made()), lose, ms_max=5_000)

    def _failed_sync(self) -> None:
        """A sync of records fails, which come back later."""
        machine = self._rng.choice(self._world.machines)
        led = self._led(MAIN)
        if led is None or not self._nemesis.may_lose_pages():
            return

        def fail() -> None:
            self._world.count("failed sync")
            machine.disk.files.fail("sync", 5)

        number = machine.number
        self._until(lambda: -1 < led.synced(number) < led.end(number), fail, ms_max=2_000)

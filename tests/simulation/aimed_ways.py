"""Aimed blows at who asks whom: what is under way comes when others have gone on."""

from collections.abc import Mapping

from tests.simulation.aimed import TRANSACTIONS, Act, Aimed
from tests.simulation.plan import MAIN
from tests.simulation.way_blows import CLIENTS

INTERNAL = "__"


class AimedWays(Aimed):
    """Coordinators, clients, and what brokers ask of each other."""

    @property
    def kinds(self) -> Mapping[str, Act]:
        return {
            "coordinator lost": self._coordinator_lost,
            "markers held up": self._markers_held_up,
            "decision held up": self._decision_held_up,
            "client held up": self._client_held_up,
            "fetch of a life before": self._fetch_of_a_life_before,
            "fetch of an epoch before": self._fetch_of_an_epoch_before,
            "wish of an epoch before": self._wish_of_an_epoch_before,
        }

    # --- coordinators --------------------------------------------------------------------------

    def _coordinator_lost(self) -> None:
        """At once, or with what it has told its clients and no other broker."""
        led = self._led(INTERNAL, isr_min=2)
        if led is None:
            return
        self._world.count("coordinator lost")
        back_ms = self._rng.choice([20, 500, 3_000])
        alone_ms = self._rng.choice([0, 300, 1_500, 1_500])
        ways = {(led.leader, one) for one in self._brokers_but(led.leader)}
        ways |= {(b, a) for a, b in ways} if self._rng.random() < 0.5 else set()

        def lose() -> None:
            self._mend(ways)
            self._crash(led.leader, back_ms=back_ms)

        if alone_ms:
            self._cut(ways)
        self._after(alone_ms, lose)

    def _markers_held_up(self) -> None:
        """A coordinator is lost while its markers are under way to some; they come later still.

        Or the one that they are for is.
        """
        led = self._led(TRANSACTIONS, isr_min=2, is_used=True)
        if led is None:
            return
        self._world.count("markers held up")
        self._with_slow_network(5_000)
        held_ms = self._rng.choice([1_500, 3_000, 5_000])
        back_ms = self._rng.choice([20, 3_000])

        def hold() -> None:
            owed = self._rng.choice(sorted(self._owed(led.leader)))
            self._world.streams.stick(led.leader, owed, held_ms)
            lost = self._rng.choice([led.leader, owed])
            wait_ms = self._rng.choice([100, 200, 400])
            self._after(wait_ms, lambda: self._crash(lost, back_ms=back_ms))

        self._until(lambda: bool(self._owed(led.leader)), hold, ms_max=3_500)

    def _decision_held_up(self) -> None:
        """A coordinator decides what one follower does not hear of, and is lost."""
        led = self._led(TRANSACTIONS, isr_min=3, is_used=True)
        if led is None:
            return
        self._world.count("decision held up")
        behind = self._rng.choice(led.followers)
        ways = {(led.leader, behind), (behind, led.leader)}
        self._cut(ways)

        def lose() -> None:
            self._mend(ways)
            self._crash(led.leader, back_ms=self._rng.choice([20, 3_000]))

        self._until(
            lambda: bool(self._owed(led.leader)),
            lambda: self._after(self._rng.choice([20, 200]), lose),
            ms_max=2_500,
            otherwise=lambda: self._mend(ways),
        )

    def _client_held_up(self) -> None:
        """What a client has sent to one or all brokers comes when it has long gone on."""
        self._world.count("client held up")
        numbers = [one.number for one in self._world.workers]
        held_ms = self._rng.choice([1_500, 4_500, 6_500])
        for number in self._rng.sample(numbers, min(len(numbers), 3)):
            for machine in self._world.machines:
                self._world.streams.stick(number, machine.number, held_ms)

    # --- leaders, followers and the controller -------------------------------------------------

    def _fetch_of_a_life_before(self) -> None:
        """A follower that catches up loses power; what it had asked says more than it has now.

        Clients are held off meanwhile, so that it has all there is.
        """
        led = self._led(MAIN, isr_min=3)
        if led is None or not self._nemesis.may_lose_pages():
            return
        self._world.count("fetch of a life before")
        leader, victim = led.leader, self._rng.choice(led.followers)
        back = {(leader, victim)}
        clients = {(one, leader) for one in CLIENTS}
        self._with_slow_network(6_000)

        def is_back() -> bool:
            known = self._world.invariants.image.brokers.get(victim)
            machine = self._machine(victim)
            return (
                known is not None
                and machine.broker is not None
                and known.incarnation_id == machine.incarnation_id
                and known.is_active
            )

        def mend() -> None:
            self._mend(back | clients)

        def lose() -> None:
            self._cut(back)
            if not self._loses_power(victim, back_ms=20):
                mend()
                return
            self._until(is_back, lambda: self._after(1_500, mend), ms_max=4_000, otherwise=mend)

        def catch_up() -> None:
            self._cut(clients)
            self._start(victim)
            self._until(is_caught_up, stick, ms_max=3_000, otherwise=mend)

        def is_caught_up() -> bool:
            end = led.end(victim)
            return end >= led.committed and led.synced(victim) < end and victim not in led.row.isr

        def stick() -> None:
            self._world.streams.stick(victim, leader, 1_200)
            self._after(60, lose)

        self._crash(victim, back_ms=None)
        self._until(
            lambda: victim not in led.row.isr,
            lambda: self._after(400, catch_up),
            ms_max=2_000,
            otherwise=lambda: self._start(victim),
        )

    def _fetch_of_an_epoch_before(self) -> None:
        """Leaders change there and back; what a follower had asked of the first comes now.

        It had more then than who led between, and has cut that off.
        """
        led, controller = self._led(MAIN, isr_min=3), self._controller()
        if led is None or controller is None or controller not in led.followers:
            return
        self._world.count("fetch of an epoch before")
        first, ahead = led.leader, controller
        behind = next(one for one in led.followers if one != ahead)
        self._with_slow_network(5_000)
        ways = {(first, behind), (behind, first)}
        self._cut(ways)
        reached = 0

        def stick() -> None:
            nonlocal reached
            reached = led.end(ahead)
            self._world.streams.stick(ahead, first, 3_000)
            self._order(led, [behind, first, ahead], lead_between)

        def lead_between() -> None:
            self._until(
                lambda: -1 < led.end(ahead) < reached and led.row.leader == behind,
                lose,
                ms_max=2_500,
                otherwise=mend,
            )

        def lose() -> None:
            self._crash(behind, back_ms=3_000)
            self._after(1_500, mend)

        def mend() -> None:
            self._mend(ways)

        self._until(
            lambda: led.end(ahead) > led.end(behind) > -1, stick, ms_max=1_500, otherwise=mend
        )

    def _wish_of_an_epoch_before(self) -> None:
        """A leader's wish to let a follower in comes when that is behind, and the row another."""
        led, controller = self._led(MAIN, isr_min=3), self._controller()
        if led is None or controller is None or controller not in led.followers:
            return
        self._world.count("wish of an epoch before")
        leader = led.leader
        late = next(one for one in led.followers if one != controller)
        self._with_slow_network(6_000)
        ways = {(leader, late), (late, leader)}

        def is_wished() -> bool:
            broker = self._machine(leader).broker
            found = [] if broker is None else list(broker.open_partitions())
            return any(
                one.topic == MAIN
                and one.index == led.first.partition_index
                and late in (one.isr_pending or ())
                for one in found
            )

        def stick() -> None:
            self._world.streams.stick(leader, controller, 1_800)
            self._cut(ways)
            self._after(500, order)

        def order() -> None:
            others = [one for one in led.row.replicas if one != leader]
            self._order(led, [leader, *reversed(others)], lambda: None)
            self._after(2_500, lambda: self._mend(ways))

        def come_back() -> None:
            self._start(late)
            self._until(is_wished, stick, ms_max=3_000)

        self._crash(late, back_ms=None)
        self._until(
            lambda: late not in led.row.isr,
            lambda: self._after(300, come_back),
            ms_max=2_000,
            otherwise=lambda: self._start(late),
        )

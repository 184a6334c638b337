"""The probe notices a loop that is held, and leaves no timer behind."""

import asyncio
import time

from data_plane.broker.loop_lag import LoopLag
from data_plane.server.lag_probe import PERIOD_S, LagProbe


def test_a_held_loop_is_seen() -> None:
    """The loop is held for four periods while a probe is due; nothing is asserted of the rest."""

    async def whole(lag: LoopLag) -> None:
        loop = asyncio.get_running_loop()
        probe = LagProbe(lag)
        probe.start(loop)
        loop.call_soon(time.sleep, 4 * PERIOD_S)
        await asyncio.sleep(0)
        await asyncio.sleep(2 * PERIOD_S)  # Begins behind the stall: the probe fires in it.
        probe.stop()
        seen = lag.count
        await asyncio.sleep(2 * PERIOD_S)
        assert lag.count == seen

    lag = LoopLag()
    asyncio.run(whole(lag))
    assert lag.count >= 3
    assert lag.quantile_ms(1.0) >= 3 * PERIOD_S * 1000

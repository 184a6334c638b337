"""The thread executor: all work done, one call back on the loop, the first failure told."""

import asyncio
import threading

from data_plane.server.executor import ThreadExecutor


def test_work_runs_off_the_loop_and_is_told_on_it() -> None:
    threads: list[int] = []
    ends: list[tuple[int, BaseException | None]] = []

    async def whole() -> None:
        executor = ThreadExecutor(asyncio.get_running_loop())
        done = asyncio.Event()
        executor.after = done.set

        def work() -> None:
            threads.append(threading.get_ident())

        executor.submit([work] * 5, lambda error: ends.append((threading.get_ident(), error)))
        await asyncio.wait_for(done.wait(), 10)
        executor.close()

    asyncio.run(whole())
    here = threading.get_ident()
    assert len(threads) == 5
    assert here not in threads
    assert ends == [(here, None)]


def test_a_failure_is_told_after_all_work_has_ended() -> None:
    ends: list[BaseException | None] = []
    worked: list[int] = []

    async def whole() -> None:
        executor = ThreadExecutor(asyncio.get_running_loop())
        done = asyncio.Event()
        executor.after = done.set

        def fail() -> None:
            raise OSError("broken disk")

        executor.submit([fail, lambda: worked.append(1)], ends.append)
        await asyncio.wait_for(done.wait(), 10)
        executor.close()

    asyncio.run(whole())
    assert worked == [1]
    assert [str(error) for error in ends] == ["broken disk"]


def test_no_work_is_done_at_the_next_turn() -> None:
    ends: list[BaseException | None] = []

    async def whole() -> None:
        executor = ThreadExecutor(asyncio.get_running_loop())
        done = asyncio.Event()
        executor.after = done.set
        executor.submit([], ends.append)
        assert ends == []
        await asyncio.wait_for(done.wait(), 10)
        executor.close()

    asyncio.run(whole())
    assert ends == [None]


def test_what_comes_behind_the_end_is_not_done_and_what_ran_is_told() -> None:
    ends: list[BaseException | None] = []
    released = threading.Event()

    def fail() -> None:
        released.wait(10)
        raise OSError("broken disk")

    async def whole() -> None:
        executor = ThreadExecutor(asyncio.get_running_loop())
        executor.submit([fail], ends.append)
        threading.Timer(0.05, released.set).start()
        executor.close()
        executor.submit([fail], ends.append)
        assert ends == []
        await asyncio.sleep(0)

    asyncio.run(whole())
    assert [str(error) for error in ends] == ["broken disk"]

"""Work ahead: the order, the bound, the errors, and nothing left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from normalis.ahead import ahead, threads_for, usable_cores


def squared(x: int) -> int:
    time.sleep(0.002 * (x % 3))  # later things are done earlier
    return x * x


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("most", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_results_come_in_order(threads: int, most: int, count: int) -> None:
    found = list(ahead(range(count), squared, threads=threads, most=most))
    assert found == [x * x for x in range(count)]


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_is_begun_than_was_agreed(most: int) -> None:
    begun: list[int] = []
    results = ahead(iter(range(20)), begun.append, threads=8, most=most)
    for given, _ in enumerate(results, start=1):
        time.sleep(0.005)
        assert given <= len(begun) <= given - 1 + most


def test_without_threads_nothing_is_begun_before_it_is_asked_for() -> None:
    begun: list[str] = []

    def work(_thing: int) -> None:
        begun.append(threading.current_thread().name)

    results = ahead(range(5), work, threads=0, most=4)
    next(results)
    next(results)
    assert begun == [threading.current_thread().name] * 2


def test_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=10)
    list(ahead(range(4), lambda _: together.wait(), threads=2, most=2))


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_comes_in_its_place(threads: int) -> None:
    results = ahead([1, 2, 0, 4], lambda x: 4 // x, threads=threads, most=4)
    assert [next(results), next(results)] == [4, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("threads", [0, 2])
def test_an_error_of_the_source_waits_for_what_came_before(threads: int) -> None:
    def source() -> Iterator[int]:
        yield from (1, 2)
        raise LookupError

    results = ahead(source(), squared, threads=threads, most=4)
    assert [next(results), next(results)] == [1, 4]
    with pytest.raises(LookupError):
        next(results)


def test_whoever_stops_asking_leaves_nothing_behind() -> None:
    before, begun = threading.active_count(), list[int]()

    def slow(x: int) -> int:
        begun.append(x)
        time.sleep(0.02)
        return x

    results = ahead(range(1000), slow, threads=2, most=6)
    next(results)
    results.close()  # pyright: ignore[reportAttributeAccessIssue] (it is a generator)
    assert threading.active_count() == before
    assert len(begun) <= 6


def test_the_number_of_threads_is_the_wish_or_that_of_the_cores() -> None:
    assert threads_for(0) == 0
    assert threads_for(7) == 7
    assert 1 <= threads_for(None) <= min(4, usable_cores())

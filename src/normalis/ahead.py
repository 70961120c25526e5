"""Work that runs ahead of whoever needs it: in threads, in order, and only so far.

Decoding, resizing, networks and encoding all leave Python alone while they compute, so threads keep
every core busy. Unlike processes they begin at once, copy no picture from one memory to another,
and cannot outlive the program.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead", "threads_for", "usable_cores"]

_T = TypeVar("_T")
_R = TypeVar("_R")

MOST_THREADS = 4  # each may hold one whole decoded picture


def usable_cores() -> int:
    """Processor cores that this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def threads_for(workers: int | None) -> int:
    """The threads asked for; without a wish as many as there are cores, but not many."""
    return min(MOST_THREADS, usable_cores()) if workers is None else workers


def ahead(
    things: Iterable[_T], work: Callable[[_T], _R], *, threads: int, most: int
) -> Iterator[_R]:
    """What `work` makes of each thing, in the order of the things.

    An error of `work` or of `things` comes where its result would have come. Whoever stops asking
    waits for what is being worked on, and nothing else is begun.

    Args:
        things: Taken one after another, by whoever asks for results.
        work: Runs in several threads at once.
        threads: How many; with 0 each result is made when it is asked for, without any thread.
        most: Results that are being made or wait to be asked for at once, the one just given
            included.
    """
    if threads == 0:
        yield from map(work, things)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from _in_order(iter(things), lambda thing: pool.submit(work, thing), most)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(source: Iterator[_T], begin: Callable[[_T], Future[_R]], most: int) -> Iterator[_R]:
    """Keep `most` results under way; an error of the source waits for its turn."""
    begun: deque[Future[_R]] = deque()
    failure: Exception | None = None
    more = True
    while more or begun:
        while more and len(begun) < most:
            try:
                begun.append(begin(next(source)))
            except StopIteration:
                more = False
            except Exception as error:
                failure, more = error, False
        if begun:
            yield begun.popleft().result()
    if failure is not None:
        raise failure

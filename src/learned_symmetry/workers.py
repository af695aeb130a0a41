"""Work shared out among processes, or threads: these, in small steps, wait for Python's lock (1.6 times as long)."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Executor, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context

import torch

from learned_symmetry.errors import UserError

POLLED = 0.1  # seconds
NATIVE = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}  # what crashing code gets


class Watch:
    """What work tells of its progress, and what tells it to end early; shared by processes."""

    def __init__(self) -> None:
        fork = get_context("fork")
        self.steps, self.stop, self.parent = fork.Value("q", 0), fork.Value("b", 0), os.getpid()

    def update(self, steps: int) -> None:
        with self.steps.get_lock():
            self.steps.value += steps

    def stopped(self) -> bool:
        return bool(self.stop.value)


Work = Callable[[int, Watch], None]


def share(work: Work, count: int, workers: int, threads: int, progress: Callable[[int], object]) -> None:
    """Do ``work(n, watch)`` for n below `count`; what it makes it leaves in files. `progress` hears of steps made.

    `workers` do it at a time, each with so many threads of torch, and each the next that is left. They are processes
    where there are several of one thread each: a forked one cannot have more. What one raises is raised here, when the
    others have stopped. Ctrl-C waits for the step under way; if this process is killed the others end within a second.
    Raises `UserError` with the signal's name if one of them is killed.
    """
    watch, before, others = Watch(), torch.get_num_threads(), set(active_children())
    pool: Executor
    if workers > 1 and threads == 1:
        pool, do = ProcessPoolExecutor(workers, get_context("fork"), _begin, (work, watch)), _do
    else:  # one thread too, so that Ctrl-C comes between two steps
        pool, do = ThreadPoolExecutor(workers, "train", torch.set_num_threads, (threads,)), lambda n: work(n, watch)
    told = 0
    try:
        with warnings.catch_warnings():  # Python 3.12 warns of locks that other threads may hold: torch's hold none
            warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
            futures = [pool.submit(do, number) for number in range(count)]
        processes = set(active_children()) - others
        waiting, failed = set(futures), False
        while waiting and not failed:
            ended, waiting = wait(waiting, POLLED, FIRST_EXCEPTION)
            failed = any(future.exception() for future in ended)
            steps = watch.steps.value
            progress(steps - told)
            told = steps
    finally:
        watch.stop.value = 1
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)
    try:
        for future in ended:
            future.result()
    except BrokenProcessPool:
        raise UserError(f"a process that trained was ended by {killed_by([p.exitcode for p in processes])}") from None


def killed_by(statuses: Iterable[int | None]) -> str:
    """The signal that ended the first of some processes, and what to do; the pool ends the others by SIGTERM."""
    signals = {signal.Signals(-status) for status in statuses if status is not None and status < 0}
    first = next(iter(signals - {signal.SIGTERM}), signal.SIGTERM if signals else None)
    if first in NATIVE:
        return (
            f"{first.name}, a crash in native code; please report it with the command, params.yaml and what `python -m"
            " learned_symmetry.machine` prints, and run the same command again: it goes on from the last checkpoint"
        )
    name = "an exit of its own" if first is None else first.name
    cause = ", most likely out of memory" if first == signal.SIGKILL else ""
    return f"{name}{cause}; run the same command again, and it goes on from the last checkpoint"


def _begin(work: Work, watch: Watch) -> None:
    """In a new process, which has the parent's memory: nothing is sent to it but numbers."""
    global _work, _watch
    _work, _watch = work, watch
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which says stop
    torch.set_num_threads(1)
    threading.Thread(target=_end_with, args=(watch.parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A process whose parent was killed would wait for more work for ever."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _do(number: int) -> None:
    if not _watch.stopped():
        _work(number, _watch)


_work: Work
_watch: Watch

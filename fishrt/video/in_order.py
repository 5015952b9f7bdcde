"""Tasks done by several threads, their results in the order of the tasks."""

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

_Result = TypeVar("_Result")


class _Failed(NamedTuple):
    error: BaseException


class DoneInOrder(Iterator[_Result], Generic[_Result]):
    """The results of tasks, of which some are under way ahead of whoever takes them.

    Use it through `done_in_order`. There is no lock of Python's own in it: Ctrl-C may come at any
    moment, and must not leave one locked that a thread waits for.
    """

    def __init__(
        self, next_task: Callable[[], Callable[[], _Result] | None], workers: int, ahead: int
    ) -> None:
        self._next_task = next_task
        self._ahead = ahead
        self._todo: queue.SimpleQueue[
            tuple[Callable[[], _Result], queue.SimpleQueue[_Result | _Failed]] | None
        ] = queue.SimpleQueue()
        self._results: deque[queue.SimpleQueue[_Result | _Failed]] = deque()
        self._over = self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"fishrt-worker-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        """Starts the threads."""
        for thread in self._threads:
            thread.start()

    def __next__(self) -> _Result:
        """The result of the next task.

        Raises:
            BaseException: What the task raised.
            StopIteration: When there are no more tasks.
        """
        while not self._over and len(self._results) < self._ahead:
            task = self._next_task()
            if task is None:
                self._over = True
                break
            result: queue.SimpleQueue[_Result | _Failed] = queue.SimpleQueue()
            self._todo.put((task, result))
            self._results.append(result)
        if not self._results:
            raise StopIteration
        done = self._results.popleft().get()
        if isinstance(done, _Failed):
            raise done.error
        return done

    def stop(self) -> None:
        """Ends the threads when the tasks that they are in are done; may be called repeatedly.

        Ctrl-C meanwhile is put off until then: whoever comes next closes what the tasks use.
        """
        self._over = self._stopping = True
        self._results.clear()
        for _ in self._threads:
            self._todo.put(None)
        wait_for(self._threads)

    def _work(self) -> None:
        while (job := self._todo.get()) is not None and not self._stopping:
            task, result = job
            try:
                result.put(task())
            except BaseException as error:  # whoever takes the result must hear of it
                result.put(_Failed(error))


@contextlib.contextmanager
def done_in_order(
    next_task: Callable[[], Callable[[], _Result] | None], *, workers: int, ahead: int
) -> Iterator[Iterator[_Result]]:
    """Does tasks in threads, some of them ahead of whoever takes the results.

    Args:
        next_task: Gives the next task, or None when there are no more; is called by whoever takes
            the results, just before it waits for one.
        workers: Threads.
        ahead: Tasks that are under way, or whose results wait.

    Yields:
        The results in the order of the tasks; an error that a task raised comes in its place.
    """
    done = DoneInOrder(next_task, workers, ahead)
    try:
        done.start()
        yield done
    finally:
        done.stop()


def wait_for(threads: Iterable[threading.Thread]) -> None:
    """Waits until threads have ended that were told to.

    Raises:
        KeyboardInterrupt: If Ctrl-C came meanwhile, but not before they have ended: whoever comes
            next closes what they use.
    """
    interrupt: KeyboardInterrupt | None = None
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except KeyboardInterrupt as error:
                interrupt = error
    if interrupt is not None:
        raise interrupt

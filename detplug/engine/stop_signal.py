"""A scheduler takes the machine back: SIGTERM (Slurm, Kubernetes, spot instances) or SIGUSR1 (Slurm's ``--signal``).

Training answers with a checkpoint and exit status 128 + number of the signal: 143 for SIGTERM.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

import torch
from mmengine.dist import get_world_size
from torch import distributed

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(SystemExit):
    """The training ends because of a signal; its exit status follows the shell's custom.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(128 + number)
        self.signal = signal.Signals(number)


class StopRequest:
    """Context manager in which a signal asks for a stop, which :meth:`check` answers; it ends the process else.

    A second signal ends the process at once, unless it is the echo of the first: schedulers signal torchrun and its
    processes, and torchrun passes the signal on. A signal that the program around handles stays the program's, and
    outside the main thread, where Python takes no handlers, all keep their effect.

    Args:
        echo: seconds after the first signal in which another one is the same.
        clock: function that returns seconds.
    """

    def __init__(self, echo: float = 2.0, clock: Callable[[], float] = time.monotonic):
        self.echo, self.clock = echo, clock
        self.number: int | None = None
        self._first = 0.0
        self._at_once = False
        self._taken: list[int] = []
        self._group: distributed.ProcessGroup | None = None

    def __enter__(self) -> 'StopRequest':
        if threading.current_thread() is threading.main_thread():
            self._taken = [x for x in SIGNALS if signal.getsignal(x) is signal.SIG_DFL]
            for number in self._taken:
                signal.signal(number, self._receive)
        if get_world_size() > 1:  # the processes agree on the host; NCCL would make it wait for the GPU
            self._group = distributed.new_group(backend='gloo')
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number in self._taken:
            signal.signal(number, signal.SIG_DFL)
        self._taken, self._group = [], None

    def check(self) -> None:
        """Stop in every process, at the same step, when one of them got a signal; all of them must call it.

        Raises:
            Stopped: somebody got one.
        """
        number = self.number or 0
        if self._group is not None:
            numbers = torch.tensor(number)
            distributed.all_reduce(numbers, distributed.ReduceOp.MAX, self._group)
            number = int(numbers)
        if number:
            raise Stopped(number)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it a signal to a single process raises :class:`Stopped` where it is; of several, one would leave the
        others waiting, so they go on to the next :meth:`check`, which follows."""
        self._at_once = self._group is None
        try:
            yield
        finally:
            self._at_once = False
        self.check()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number, self._first = number, self.clock()
            if self._at_once:
                raise Stopped(number)
        elif self.clock() - self._first > self.echo:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


def leave_signals_to_main_process() -> None:
    """In a loader process: Ctrl-C and what a scheduler sends to the whole group stop the main process alone.

    It still needs its batches to end the step. SIGTERM from the main process itself ends the loader process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS: there a loader process ends as torch has it
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_wait_for, args=(os.getppid(),), daemon=True).start()


def _wait_for(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)

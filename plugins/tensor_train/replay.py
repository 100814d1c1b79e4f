"""Run a model again with one layer changed; what had ended before that layer began is not computed again.

Ours. The early layers of a detector are the dear ones, and most layers come after them.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple

from torch import Tensor, nn


class Recording(NamedTuple):
    """Of one run: when each module first began; when it ended and its output, for those that can be replayed."""

    modules: dict[str, nn.Module]
    began: dict[str, int]
    ended: dict[str, int]
    outputs: dict[str, Tensor]


def record(model: nn.Module, run: Callable[[], object]) -> tuple[object, Recording]:
    """What ``run`` gives, and its recording.

    A module can be replayed when it holds a convolution, is called once and gives one tensor; it must not change its
    inputs in place.
    """
    began: dict[str, int] = {}
    ended: dict[str, int] = {}
    outputs: dict[str, Tensor] = {}
    time, again = count(), set()

    def begin(name: str) -> Callable:
        def note(module: nn.Module, inputs: tuple) -> None:
            if name in began:
                again.add(name)
            began.setdefault(name, next(time))

        return note

    def end(name: str) -> Callable:
        def note(module: nn.Module, inputs: tuple, output: object) -> None:
            if isinstance(output, Tensor):
                ended[name], outputs[name] = next(time), output.clone()

        return note

    holders = {name: x for name, x in model.named_modules() if any(isinstance(y, nn.Conv2d) for y in x.modules())}
    handles = [x.register_forward_pre_hook(begin(name)) for name, x in holders.items()]
    handles += [x.register_forward_hook(end(name)) for name, x in holders.items()]
    try:
        recorded = run()
    finally:
        for handle in handles:
            handle.remove()
    for name in again & set(ended):
        del ended[name], outputs[name]
    return recorded, Recording(holders, began, ended, outputs)


@contextmanager
def replayed(recording: Recording, layer: str) -> Iterator[None]:
    """Inside the block, what had ended before ``layer`` began gives its recorded output; all, if it never began."""
    start = recording.began.get(layer, math.inf)
    early = {name: recording.modules[name] for name, time in recording.ended.items() if time < start}
    forwards = {name: module.__dict__.get('forward') for name, module in early.items()}
    try:
        for name, module in early.items():
            module.forward = lambda *_, _output=recording.outputs[name], **__: _output.clone()
        yield
    finally:
        for name, module in early.items():
            del module.forward
            if forwards[name] is not None:
                module.forward = forwards[name]

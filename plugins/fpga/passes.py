"""Passes over the exported graph: the seam where a user changes it for a board or a tool, in one file of their own.

A pass is any object with ``apply(model) -> (model, changed)``, as every qonnx Transformation has::

    @PASSES.register_module()
    class RoundUpChannels:
        def apply(self, model):
            ...  # change the qonnx ModelWrapper
            return model, changed

``fpga = dict(passes=[dict(type='RoundUpChannels')])`` in the config runs it; what is exported is compared after all
passes, so a pass that changes what the network computes is refused.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from mmengine.registry import Registry

from detplug.errors import UserError

PASSES = Registry('fpga pass')
ROUNDS = 100


class Pass(Protocol):
    """What a pass offers."""

    def apply(self, model: Any) -> tuple[Any, bool]:
        """The model, changed or not, and whether another call could change more."""


def run_passes(model: Any, passes: Sequence[Pass | dict]) -> Any:
    """Apply each pass until it changes nothing more, one after another.

    Args:
        model: qonnx ModelWrapper.
        passes: objects, or settings of registered ones.

    Raises:
        UserError: a pass that never ends.
    """
    for step in passes:
        step = PASSES.build(step) if isinstance(step, dict) else step
        for _ in range(ROUNDS):
            model, changed = step.apply(model)
            if not changed:
                break
        else:
            raise UserError(
                f'fpga: passes: {type(step).__name__} still changes the model after {ROUNDS} rounds; mend it'
            )
    return model

"""What mmengine's message hub must know about the current step, and nothing that grows with training."""

from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import RuntimeInfoHook


@HOOKS.register_module()
class StepInfoHook(RuntimeInfoHook):
    """mmengine's RuntimeInfoHook without the history of every loss: mmengine appends each to an array by copying it.

    Models still find ``iter``, ``epoch``, ``max_iters`` and ``loop_stage`` in the hub; the losses go to history.jsonl.
    """

    def before_train_iter(self, runner, batch_idx: int, data_batch: Any = None) -> None:
        runner.message_hub.update_info('iter', runner.iter)

    def after_train_iter(self, runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None) -> None:
        """Nothing is kept of the outputs."""

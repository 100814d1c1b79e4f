"""Fine-tuning of a compressed detector beside the dense one that it was made from: features and raw outputs alike.

Distillation is an option of the issue's recipe, not the papers'; the form of the loss is ours: the squared difference
of every map over the teacher's mean square, so that maps of any scale weigh the same.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from detplug.engine.checkpoint import load_weights
from detplug.errors import UserError


@HOOKS.register_module()
class DistillationHook(Hook):
    """Adds ``loss_distill_PART`` to the losses of the detector that is trained; its checkpoints stay as they are.

    Args:
        teacher: file of the dense detector's config, or its ``model`` dict.
        checkpoint: the dense detector's weights.
        weights: name of a part of the detector whose outputs are compared -> weight of its loss.
    """

    def __init__(self, teacher: str | dict, checkpoint: str, weights: dict[str, float]):
        self.config = Config.fromfile(teacher).model if isinstance(teacher, str) else teacher
        self.checkpoint, self.weights = checkpoint, weights
        self.listening: list[nn.Module] = []  # parts of the student whose forward notes its outputs
        self.student: nn.Module | None = None

    def before_train(self, runner: Runner) -> None:
        """Build the teacher and listen to both models."""
        student = runner.model.module if is_model_wrapper(runner.model) else runner.model
        check_parts(student, self.weights)
        device = next(student.parameters()).device
        teacher = MODELS.build(self.config).to(device).eval().requires_grad_(False)
        load_weights(teacher, self.checkpoint)
        teacher_maps, student_maps = (listen(model, self.weights) for model in (teacher, student))
        plain_loss = student.loss

        def loss(inputs: Tensor, samples, **kwargs) -> dict:
            losses = plain_loss(inputs, samples, **kwargs)
            with torch.no_grad():
                teacher(inputs, samples, mode='tensor')
            for name in self.weights:
                check_shapes(name, student_maps[name], teacher_maps[name])
            return losses | {
                f'loss_distill_{name.replace(".", "_")}': weight * map_distance(student_maps[name], teacher_maps[name])
                for name, weight in self.weights.items()
            }

        student.loss = loss
        self.student, self.listening = student, [student.get_submodule(name) for name in self.weights]

    def after_train(self, runner: Runner) -> None:
        """The detector is as it was: a copy of it calls its own parts."""
        vars(self.student).pop('loss')
        for part in self.listening:
            vars(part).pop('forward')


def check_parts(student: nn.Module, names: Iterable[str]) -> None:
    """Refuse parts that a student whose maps have scales of their own does not name in ``distillable_parts``.

    Raises:
        UserError: the part is named.
    """
    parts = getattr(student, 'distillable_parts', None)
    for name in names:
        if parts is not None and name not in parts:
            raise UserError(
                f'config: DistillationHook: weights: {name!r}: the maps of an int8 detector have gains there; '
                f'leave that part out, {", ".join(parts)} can be compared'
            )


def check_shapes(name: str, student: Sequence[Tensor], wanted: Sequence[Tensor]) -> None:
    """Refuse outputs that cannot be compared, as those of a DETR with denoising queries in training.

    Raises:
        UserError: the part is named.
    """
    shapes, others = ([tuple(x.shape) for x in maps] for maps in (student, wanted))
    if shapes != others:
        one, other = next((pair for pair in zip(shapes, others, strict=False) if pair[0] != pair[1]), (shapes, others))
        raise UserError(
            f'config: DistillationHook: weights: {name!r}: gives {one} in training, the teacher {other}; '
            'leave that part out'
        )


def listen(model: nn.Module, names: Sequence[str]) -> dict[str, tuple[Tensor, ...]]:
    """Dictionary that holds, after every run of ``model``, the output maps of its parts by name.

    Raises:
        UserError: a part that the model does not have.
    """
    heard: dict[str, tuple[Tensor, ...]] = {}
    for name in names:
        try:
            part = model.get_submodule(name)
        except AttributeError:
            raise UserError(f'config: DistillationHook: weights: the detector has no part {name!r}') from None
        part.forward = noting(part.forward, heard, name)  # no hook: mmdet calls a head's forward itself
    return heard


def noting(forward: Callable, heard: dict[str, tuple[Tensor, ...]], name: str) -> Callable:
    """``forward`` that leaves its output maps in ``heard[name]``."""

    def listened(*args, **kwargs):
        output = forward(*args, **kwargs)
        heard[name] = tuple(maps_of(output))
        return output

    return listened


def maps_of(output) -> list[Tensor]:
    """All tensors in nested lists and tuples, in order."""
    if isinstance(output, Tensor):
        return [output]
    return [x for part in output for x in maps_of(part)] if isinstance(output, list | tuple) else []


def map_distance(student: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """Mean over the maps of ||student - wanted||^2 / ||wanted||^2."""
    terms = [(a - b).square().mean() / b.square().mean().clamp(min=1e-12) for a, b in zip(student, wanted, strict=True)]
    return torch.stack(terms).mean()

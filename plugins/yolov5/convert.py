"""Official YOLOv5 weights (v6.0 to v7.0) as a checkpoint of this project."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from detplug.engine.checkpoint import save_atomic
from detplug.engine.converters import register
from detplug.errors import UserError

from .backbone import YOLOv5Backbone
from .head import ANCHORS, YOLOv5Head
from .neck import YOLOv5Neck
from .official_file import Stub, read_official
from .official_names import HEAD, class_names, our_name, tensors_of, with_plain_names

SIZES = {
    (16, 1): ('n', 0.33, 0.25),
    (32, 1): ('s', 0.33, 0.5),
    (48, 2): ('m', 0.67, 0.75),
    (64, 3): ('l', 1.0, 1.0),
    (80, 4): ('x', 1.33, 1.25),
}  # channels of layer 0, bottlenecks of layer 2 -> name, depth, width
STRIDES = (8, 16, 32)


class Converted(NamedTuple):
    """What was converted; ``anchors`` is (3, 3, 2) in pixels, ``classes`` None where the file names none."""

    size: str
    num_classes: int
    classes: tuple[str, ...] | None
    anchors: Tensor
    custom_anchors: bool
    tensors: int

    def summary(self, source: str | Path) -> str:
        """One line for people."""
        anchors = f'its own anchors {self.anchors.flatten(1).tolist()}' if self.custom_anchors else 'standard anchors'
        return (
            f'YOLOv5{self.size} from {Path(source).name}: {self.num_classes} classes'
            f'{"" if self.classes else " without names"}, {self.tensors} tensors, {anchors}'
        )


@register('yolov5')
def convert(src: str | Path, dst: str | Path) -> Converted:
    """Convert the official .pt file ``src`` (or a plain state dict with its names) into the checkpoint ``dst``.

    The weights become float32; the head's anchors are the file's own. The class names go to
    ``meta['dataset_meta']['classes']``.

    Raises:
        UserError: a file that does not read, another architecture, or tensors missing, left over or of another shape.
    """
    official, classes = _read_state(src)
    size, depth, width = _size_of(official, src)
    anchors = _tensor(official, f'model.{HEAD}.anchors', src) * torch.tensor(STRIDES).view(-1, 1, 1)
    outputs = len(_tensor(official, f'model.{HEAD}.m.0.weight', src))
    num_classes = outputs // anchors.shape[1] - 5
    state, strange = {}, []
    for name, tensor in official.items():
        ours = our_name(name)
        if ours is None:
            strange.append(name)
        else:
            state[ours] = tensor
    state['bbox_head.anchors'] = anchors
    _check(state, strange, _expected(depth, width, num_classes), src)
    if classes is not None and len(classes) != num_classes:
        raise UserError(f'{src}: names {len(classes)} classes for {num_classes} outputs; this is not a whole model')
    custom = not torch.allclose(anchors, torch.tensor(ANCHORS, dtype=torch.float32), atol=0.5)
    result = Converted(size, num_classes, classes, anchors, custom, len(state))
    meta = dict(converted=result.summary(src))
    if classes is not None:
        meta['dataset_meta'] = dict(classes=classes)
    save_atomic(dict(state_dict=state, meta=meta), dst)
    return result


def _read_state(src: str | Path) -> tuple[dict[str, Tensor], tuple[str, ...] | None]:
    """Tensors by official name, in float32 (integers as they are), and the class names if the file has them."""
    content = read_official(src)
    try:
        model = content
        if isinstance(content, Mapping):
            model = next((content[k] for k in ('ema', 'model', 'state_dict') if content.get(k) is not None), content)
        names = vars(model).get('names') if isinstance(model, Stub) else None
        state = tensors_of(model) if isinstance(model, Stub) else dict(model)
        state = {str(k): v for k, v in with_plain_names(state).items() if isinstance(v, Tensor)}
        classes = class_names(names)
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f'{src}: not laid out as a YOLOv5 model ({error}); give the official .pt file') from None
    state.pop(f'model.{HEAD}.anchor_grid', None)  # v6.0 keeps the anchors twice
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}, classes


def _tensor(state: Mapping[str, Tensor], name: str, src: Any) -> Tensor:
    if name not in state:
        raise UserError(f'{src}: no tensor {name}; only the 640 px models n, s, m, l, x (v6.0 to v7.0) are known')
    return state[name]


def _size_of(state: Mapping[str, Tensor], src: Any) -> tuple[str, float, float]:
    channels = len(_tensor(state, 'model.0.conv.weight', src))
    blocks = len({name.split('.')[3] for name in state if name.startswith('model.2.m.')})
    if (channels, blocks) not in SIZES:
        known = ', '.join(f'{x[0]} {key[0]}/{key[1]}' for key, x in SIZES.items())
        raise UserError(f'{src}: {channels} channels and {blocks} blocks in its first layers; known are {known}')
    return SIZES[channels, blocks]


def _expected(depth: float, width: float, num_classes: int) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of our model, by name; built without memory."""
    with torch.device('meta'):
        backbone = YOLOv5Backbone(depth, width)
        parts = dict(
            backbone=backbone,
            neck=YOLOv5Neck(backbone.out_channels, depth),
            bbox_head=YOLOv5Head(num_classes, backbone.out_channels),
        )
    return {
        f'{part}.{name}': tuple(tensor.shape)
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }


def _check(state: Mapping[str, Tensor], strange: list[str], expected: Mapping[str, tuple], src: Any) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = {
        'missing': expected.keys() - shapes.keys(),
        'left over': strange + list(shapes.keys() - expected.keys()),
        'of another shape': [
            f'{name} {shapes[name]} instead of {expected[name]}'
            for name in expected.keys() & shapes.keys()
            if shapes[name] != expected[name]
        ],
    }
    texts = [f'{len(names)} {what}: {", ".join(sorted(names))}' for what, names in wrong.items() if names]
    if texts:
        raise UserError(f'{src}: {"; ".join(texts)}; give an unfused detection model, n, s, m, l or x')

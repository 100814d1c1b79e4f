"""The manifest of a bundle: everything a runtime needs to know beside the model file."""

from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from mmengine.config import Config
from torch import nn

from detplug import __version__
from detplug.data.dataset_config import innermost_datasets
from detplug.errors import UserError
from detplug.export.formats import ExportRequest
from detplug.export.graph import INPUT, SIZES, Selection, extra_outputs, needs_image_sizes
from detplug.export.nms_op import OPSET
from detplug.export.runtime import MODEL, sha256

PACKAGES = ('torch', 'onnx', 'onnxscript', 'onnxruntime', 'numpy', 'opencv-python-headless')


def describe(request: ExportRequest, folder: Path, outputs: list[str]) -> dict:
    """The manifest of ``folder / model.onnx``, without its error table.

    A model may have ``manifest_entries() -> dict``, what a user of the bundle must know of it.

    Args:
        outputs: names of the graph's outputs.

    Raises:
        UserError: the config's test pipeline prepares images in a way that the runtime does not.
    """
    model, side = request.model, request.img_size
    return {
        'model': {'file': MODEL, 'sha256': sha256(folder / MODEL), 'opset': OPSET},
        'classes': list(request.classes),
        'input': {
            'name': INPUT,
            'shape': ['batch' if request.dynamic_batch else 1, 3, side, side],
            'layout': 'NCHW',
            'dtype': 'float32',
        }
        | ({'image_sizes': SIZES} if not request.raw and needs_image_sizes(model) else {})
        | normalisation(model),
        'letterbox': letterbox_rule(request.cfg),
        'outputs': {
            'kind': 'raw' if request.raw else 'detections',
            'names': outputs,
            'extra': [] if request.raw else list(extra_outputs(model)),
            'decode': model.bbox_head.decode_rule() if request.raw else None,
        },
        'nms': asdict(Selection.of(model)),
        'versions': {'detplug': __version__} | {name: version(name) for name in PACKAGES},
    } | (model.manifest_entries() if hasattr(model, 'manifest_entries') else {})


def normalisation(model: nn.Module) -> dict:
    """``channel_order``, ``mean`` and ``std`` (0 to 255) of the model's data preprocessor: x = (pixel - mean) / std."""
    preprocessor = getattr(model.data_preprocessor, 'data_preprocessor', model.data_preprocessor)  # or of branches
    plain = not getattr(preprocessor, '_enable_normalize', False)
    return {
        'channel_order': 'RGB' if getattr(preprocessor, '_channel_conversion', False) else 'BGR',
        'mean': [0.0] * 3 if plain else preprocessor.mean.flatten().tolist(),
        'std': [1.0] * 3 if plain else preprocessor.std.flatten().tolist(),
    }


def letterbox_rule(cfg: Config) -> dict:
    """How an image becomes the square input.

    Raises:
        UserError: the test pipeline has no ``Letterbox``.
    """
    step = letterbox_step(cfg)
    return {
        'resize': 'keep ratio to fit the input, smaller images grow, bilinear (OpenCV INTER_LINEAR)',
        'centre': bool(step.get('centre', False)),
        'pad_value': int(step.get('pad_val', 114)),
    }


def letterbox_step(cfg: Config) -> dict:
    """The ``Letterbox`` of the config's test pipeline.

    Raises:
        UserError: there is none.
    """
    dataset = next(innermost_datasets((cfg.get('test_dataloader') or {}).get('dataset') or {}), {})
    for step in dataset.get('pipeline', ()):
        if step['type'] == 'Letterbox':
            return step
    raise UserError(
        f'{cfg.filename}: test_dataloader: its pipeline has no Letterbox, the only resizing that the '
        "exported runtime does; use dict(type='Letterbox', scale=(S, S))"
    )


def input_side(cfg: Config, img_size: int | None) -> int:
    """Side of the square input: ``img_size``, by default the longer side of the test pipeline's ``Letterbox``.

    Raises:
        UserError: a side that is not a positive multiple of the detector's coarsest stride.
    """
    side = img_size if img_size is not None else max(letterbox_step(cfg)['scale'])
    preprocessor = cfg.model.get('data_preprocessor', {})
    multiple = preprocessor.get('data_preprocessor', preprocessor).get('pad_size_divisor', 1)
    if side <= 0 or side % multiple:
        raise UserError(
            f'--img-size {side}: not a positive multiple of {multiple} pixels; '
            f'try {max(round(side / multiple), 1) * multiple}'
        )
    return side

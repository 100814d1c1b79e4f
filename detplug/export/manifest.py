"""The manifest of a bundle: everything a runtime needs to know beside the model file."""

from importlib.metadata import version
from pathlib import Path

from torch import nn

from detplug import __version__
from detplug.export.exportable import Selection, needs_image_sizes
from detplug.export.formats import ExportRequest
from detplug.export.graph import INPUT, SIZES, extra_outputs
from detplug.export.nms_op import OPSET
from detplug.export.pipeline import image_rule, input_multiple, window_of
from detplug.runtime.bundle import MODEL, sha256

PACKAGES = ('torch', 'onnx', 'onnxscript', 'onnxruntime', 'numpy', 'opencv-python-headless')


def describe(request: ExportRequest, folder: Path, outputs: list[str]) -> dict:
    """The manifest of ``folder / model.onnx``, without its error table.

    A model may have ``manifest_entries() -> dict``, what a user of the bundle must know of it.

    Args:
        outputs: names of the graph's outputs.

    Raises:
        UserError: the config's test pipeline prepares images in a way that the runtime does not.
    """
    model = request.model
    letterbox, sides = image_rule(request.cfg, request.side)
    window = window_of(request.cfg)
    return {
        'model': {'file': MODEL, 'sha256': sha256(folder / MODEL), 'opset': OPSET},
        'classes': list(request.classes),
        'input': {
            'name': INPUT,
            'shape': ['batch' if request.dynamic_batch else 1, 3, *sides],
            'multiple': input_multiple(request.cfg),
            'layout': 'NCHW',
            'dtype': 'float32',
        }
        | ({} if window is None else {'window': list(window)})
        | ({'image_sizes': SIZES} if not request.raw and needs_image_sizes(model) else {})
        | normalisation(model),
        'letterbox': letterbox,
        'outputs': {
            'kind': 'raw' if request.raw else 'detections',
            'names': outputs,
            'extra': [] if request.raw else list(extra_outputs(model)),
            'decode': model.bbox_head.decode_rule() if request.raw else None,
        },
        'nms': Selection.of(model).rule(),
        'versions': {'detplug': __version__} | {name: version(name) for name in PACKAGES},
    } | (model.manifest_entries() if hasattr(model, 'manifest_entries') else {})


def normalisation(model: nn.Module) -> dict:
    """``channel_order``, ``mean``, ``std`` (0 to 255) and ``pad_value`` of the model's data preprocessor.

    An input is (pixel - mean) / std, padded with the value to the input's size.
    """
    preprocessor = getattr(model.data_preprocessor, 'data_preprocessor', model.data_preprocessor)  # or of branches
    plain = not getattr(preprocessor, '_enable_normalize', False)
    return {
        'pad_value': float(getattr(preprocessor, 'pad_value', 0)),
        'channel_order': 'RGB' if getattr(preprocessor, '_channel_conversion', False) else 'BGR',
        'mean': [0.0] * 3 if plain else preprocessor.mean.flatten().tolist(),
        'std': [1.0] * 3 if plain else preprocessor.std.flatten().tolist(),
    }

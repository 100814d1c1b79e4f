"""A bundle of three boxes at fixed places, whose scores grow with the brightest pixel, and a field (``age``)."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper

from detplug.runtime.bundle import sha256

SIDE = 32
BOXES = [[2, 2, 14, 12], [10, 8, 30, 28], [4, 20, 9, 30]]  # xyxy, input pixels
SCORES, LABELS, AGES = [0.9, 0.6, 0.3], [0, 1, 0], [7.5, 2.25, 31.0]  # scores of a picture that has a white pixel
CLASSES = ('egg', 'Würmer')


def write_bundle(folder: Path, field: str = 'age', values: Sequence[float] = AGES, classes=CLASSES) -> Path:
    """Write model.onnx and manifest.json into ``folder``, as ``export`` does; ``field`` has a value for each box."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_model(field, values), folder / 'model.onnx')
    outputs = ['count', 'boxes', 'scores', 'labels', field]
    manifest = {
        'format': 'onnx',
        'model': {'file': 'model.onnx', 'sha256': sha256(folder / 'model.onnx')},
        'classes': list(classes),
        'input': {
            'name': 'images', 'shape': [1, 3, SIDE, SIDE], 'channel_order': 'RGB', 'mean': [0] * 3, 'std': [255] * 3,
        },
        'letterbox': {'centre': False, 'pad_value': 0},
        'outputs': {'kind': 'detections', 'names': outputs, 'extra': [field], 'decode': None},
        'nms': {},
    }  # fmt: skip
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    return folder


def write_pictures(folder: Path) -> list[Path]:
    """``bright.png``, all boxes of which are kept at score .25, and ``dark.png``, with one."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, brightest in (('bright', 255), ('dark', 80)):
        picture = np.zeros((64, 48, 3), np.uint8)
        picture[20:40, 10:30] = brightest
        paths.append(folder / f'{name}.png')
        cv2.imwrite(str(paths[-1]), picture)
    return paths


def _model(field: str, values: Sequence[float]) -> onnx.ModelProto:
    constants = {
        'count': np.array([3], np.int64),
        'boxes': np.array([BOXES], np.float32),
        'base': np.array([SCORES], np.float32),
        'labels': np.array([LABELS], np.int64),
        field: np.array([values], np.float32),
    }
    nodes = [
        helper.make_node('Constant', [], [name], value=onnx.numpy_helper.from_array(values, name))
        for name, values in constants.items()
    ]
    nodes.append(helper.make_node('ReduceMax', ['images'], ['brightest'], keepdims=0))
    nodes.append(helper.make_node('Mul', ['base', 'brightest'], ['scores']))
    types = {'count': TensorProto.INT64, 'labels': TensorProto.INT64}
    shapes = {'count': [1], 'boxes': [1, 3, 4]}
    outputs = [
        helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), shapes.get(name, [1, 3]))
        for name in ('count', 'boxes', 'scores', 'labels', field)
    ]
    image = helper.make_tensor_value_info('images', TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, 'three_boxes', [image], outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=10)

"""``rdf.yaml`` of a package for the BioImage Model Zoo, from a bundle and its manifest (specification 0.5)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

VERSION = '0.5.4'  # of the specification; later ones read it
MEANING = {  # output of a graph with decoding and suppression -> what it says
    'count': 'number of objects; rows behind them are padding',
    'boxes': 'x1, y1, x2, y2 in pixels of the input',
    'scores': 'from 0 to 1, the best first',
    'labels': 'position in the class names',
}
CORNERS = ('x1', 'y1', 'x2', 'y2')


def describe(
    manifest: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    files: Mapping[str, str],
    opset: int,
    card: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of rdf.yaml.

    Args:
        manifest: of the bundle.
        tensors: name -> test tensor of the input, as pixels 0 to 255 before normalisation, and of every output.
        files: name -> file of its test tensor; ``model`` and ``documentation`` too.
        opset: of ONNX.
        card: name, description, authors, cite, license, tags of the package.
    """
    source = manifest['input']['name']
    return {
        'type': 'model',
        'format_version': VERSION,
        **card,
        'documentation': files['documentation'],
        'inputs': [input_of(manifest, tensors[source], files[source])],
        'outputs': [output_of(name, tensors[name], files[name]) for name in manifest['outputs']['names']],
        'weights': {'onnx': {'source': files['model'], 'sha256': manifest['model']['sha256'], 'opset_version': opset}},
        'config': {'detplug': {'classes': list(manifest['classes']), 'letterbox': dict(manifest['letterbox'])}},
    }


def input_of(manifest: Mapping[str, Any], tensor: np.ndarray, file: str) -> dict[str, Any]:
    """The picture, letterboxed to the network's size; what normalises it is said as preprocessing."""
    spec = manifest['input']
    height, width = tensor.shape[-2:]
    mean, std = np.asarray(spec['mean'], float), np.asarray(spec['std'], float)
    floats = {'id': 'ensure_dtype', 'kwargs': {'dtype': 'float32'}}
    scale = {'axis': 'channel', 'gain': (1 / std).tolist(), 'offset': (-mean / std).tolist()}
    names = {'RGB': ['red', 'green', 'blue'], 'BGR': ['blue', 'green', 'red']}[spec['channel_order']]
    return {
        'id': spec['name'],
        'description': f'picture fitted into {width}x{height} px with its sides in proportion, the rest padded',
        'axes': [
            {'type': 'batch', 'size': 1},
            {'type': 'channel', 'id': 'channel', 'channel_names': names},
            {'type': 'space', 'id': 'y', 'size': height},
            {'type': 'space', 'id': 'x', 'size': width},
        ],
        'data': {'type': 'uint8', 'range': [0, 255]},
        'preprocessing': [floats, {'id': 'scale_linear', 'kwargs': scale}, floats],
        'test_tensor': {'source': file},
    }


def output_of(name: str, tensor: np.ndarray, file: str) -> dict[str, Any]:
    """An output of the graph by the axes that its shape has: one image, rows of objects, columns."""
    axes: list[dict[str, Any]] = [{'type': 'batch', 'size': 1}]
    if tensor.ndim > 1:
        axes.append({'type': 'index', 'id': 'index', 'size': tensor.shape[1]})
    if tensor.ndim > 2:
        columns = CORNERS if name == 'boxes' else [f'c{i}' for i in range(tensor.shape[2])]
        axes.append({'type': 'channel', 'id': 'channel', 'channel_names': list(columns)})
    return {
        'id': name,
        'description': MEANING.get(name, 'one row an object'),
        'axes': axes,
        'data': {'type': str(tensor.dtype)},
        'test_tensor': {'source': file},
    }


def document(card: Mapping[str, Any], classes: Sequence[str], metrics: Mapping[str, Any]) -> str:
    """README.md of the package: what it finds, figures, how its boxes are read."""
    rows = ''.join(f'- {name}: {value:.3f}\n' for name, value in metrics.items() if isinstance(value, float))
    return (
        f'# {card["name"]}\n{card["description"]}\n\n'
        f'Finds: {", ".join(classes)}.\n\n'
        '`count` says how many rows of `boxes`, `scores` and `labels` are objects; the others are padding. Boxes are '
        'in pixels of the letterboxed input. Not a medical device.\n\n'
        f'## Validation\n{rows or "no images with labels"}'
    )

"""A brevitas network -> QONNX file: batch 1, one size, tensors named after layers."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from brevitas.export import export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.util.cleanup import cleanup_model
from torch import nn

from detplug.errors import UserError
from detplug.export.graph import INPUT

from ..passes import Pass, run_passes
from .names import identifier, map_quantisers, numbered, rename, scope
from .torch_maps import torch_maps


def write_qonnx(network: nn.Module, path: str | Path, side: int, passes: Sequence[Pass | dict] = ()) -> None:
    """Write the network, which must be calibrated and in eval mode.

    Args:
        network: images (1, 3, side, side) float 0..1 -> raw maps; its first layer quantises the images.
        side: pixels.
        passes: over the finished model, see :mod:`plugins.fpga.passes`.

    Raises:
        UserError: something in the network does not run as a quantiser that the file has.
    """
    images = torch.zeros(1, 3, side, side)
    calls, maps = torch_maps(network, images)
    with contextlib.redirect_stdout(io.StringIO()):
        exported = ModelWrapper(export_qonnx(network, images, dynamo=False))
        model, scopes = cleaned(exported)
    found = len(map_quantisers(model))
    if found != len(calls):
        raise UserError(f'{path}: {found} Quant nodes for {len(calls)} quantised maps; use quantisers of brevitas only')
    layers = numbered(identifier(scopes[node.name]) for node in model.get_nodes_by_op_type('Conv'))
    rename(model, layers, list(calls), INPUT, [f'level{i}' for i in range(len(maps))])
    run_passes(model, passes).save(str(path))


def cleaned(exported: ModelWrapper) -> tuple[ModelWrapper, dict[str, str]]:
    """What qonnx's cleanup makes, its nodes in the order of execution in torch; and the torch module of each node."""
    scopes = [scope(node) for node in exported.graph.node]
    for number, node in enumerate(exported.graph.node):
        node.doc_string = str(number)  # cleanup sorts nodes and gives them other names
    model = cleanup_model(exported)
    nodes = sorted(model.graph.node, key=lambda node: int(node.doc_string))
    places = {node.name: int(node.doc_string) for node in nodes}
    for node in nodes:
        node.ClearField('doc_string')
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model, {name: scopes[place] for name, place in places.items()}

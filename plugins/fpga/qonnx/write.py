"""A brevitas network -> QONNX file: batch 1, one size, tensors named after layers."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from brevitas.export import export_qonnx
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.transformation.fold_constants import FoldConstants
from qonnx.transformation.general import (
    GiveUniqueNodeNames,
    GiveUniqueParameterTensors,
    RemoveStaticGraphInputs,
    RemoveUnusedTensors,
)
from qonnx.transformation.infer_shapes import InferShapes
from torch import nn

from detplug.errors import UserError
from detplug.export.graph import INPUT

from ..passes import Pass, run_passes
from .names import identifier, map_quantisers, rename, scope
from .torch_maps import torch_maps

CLEANUP = (
    InferShapes(),
    GiveUniqueParameterTensors(),
    FoldConstants(exclude_op_types=['Quant']),
    RemoveUnusedTensors(),
    RemoveStaticGraphInputs(),
    GiveUniqueNodeNames(),
)


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
    count = len(map_quantisers(model))
    if count != len(calls):
        raise UserError(f'{path}: {count} Quant nodes for {len(calls)} quantised maps; use quantisers of brevitas only')
    layers = [identifier(scopes[node.name]) for node in model.graph.node if node.op_type == 'Conv']
    rename(model, layers, list(calls), INPUT, [f'level{i}' for i in range(len(maps))])
    run_passes(model, passes).save(str(path))


def cleaned(exported: ModelWrapper) -> tuple[ModelWrapper, dict[str, str]]:
    """A model without computed constants, its nodes in torch's order of execution; and the torch module of each node.

    The transformations are those of qonnx's cleanup that matter here. After each of them it would also sort and search
    the whole graph, which takes minutes for a detector.
    """
    scopes = [scope(node) for node in exported.graph.node]
    for number, node in enumerate(exported.graph.node):
        node.doc_string = str(number)  # names and order may change
    model = exported
    for step in CLEANUP:
        model = model.transform(step, cleanup=False)
    nodes = sorted(model.graph.node, key=lambda node: int(node.doc_string))
    places = {node.name: int(node.doc_string) for node in nodes}
    for node in nodes:
        node.ClearField('doc_string')
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model, {name: scopes[place] for name, place in places.items()}

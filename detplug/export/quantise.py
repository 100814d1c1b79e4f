"""Static int8 quantisation (QDQ) of an ONNX graph by onnxruntime.

One scale a channel for weights, signed; one a tensor for activations, unsigned: the form that x86 kernels run fastest.
Three parts stay float32: the decoding and NMS after the last convolutions, those convolutions (their channels mix
pixels and probabilities), and the first convolution with its activation: with these in int8 the graph was slower (tried
with YOLOv5n at 640 px on a processor with VNNI; the mAP was alike).
Weights have 7 bits: processors without VNNI add two products of 8 x 8 bits in 16 bits, which overflow in silence
otherwise.
The range of an activation is the mean over the images of their smallest and largest value: one image's outlier does
not cost all the others their resolution.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from detplug.runtime.bundle import Detector


class CalibrationImages(CalibrationDataReader):
    """Feeds images one by one, prepared as the runtime prepares them, to onnxruntime's calibration."""

    def __init__(self, detector: Detector, paths: Sequence[Path]):
        self.detector, self.left = detector, list(paths)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input, (1, 3, H, W) float32 by its name; None at the end."""
        if not self.left:
            return None
        return self.detector.feed([self.detector.prepare(self.left.pop(0))])


def quantise(source: Path, target: Path, images: CalibrationDataReader) -> None:
    """Write the int8 form of the model file ``source`` to ``target``, with ranges from ``images``."""
    prepared = source.with_name('prepared.onnx')
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    float_nodes = stem_nodes(onnx.load(prepared)) | tail_nodes(onnx.load(prepared))
    quantize_static(
        str(prepared),
        str(target),
        images,
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=sorted(float_nodes),
        extra_options={'CalibMovingAverage': True},
    )


def stem_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes with at most one convolution on every way from the input up to and with them."""
    depth: dict[str, int] = {}  # value -> convolutions before it
    stem = set()
    for node in model.graph.node:  # in topological order, as ONNX requires
        here = max((depth.get(name, 0) for name in node.input), default=0) + (node.op_type == 'Conv')
        depth.update(dict.fromkeys(node.output, here))
        if here <= 1:
            stem.add(node.name)
    return stem


def tail_nodes(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes from which no convolution is reached: the last convolutions and all that follows."""
    before_conv: set[str] = set()  # values that a convolution depends on
    tail = set()
    for node in reversed(model.graph.node):
        reaches = bool(before_conv.intersection(node.output))
        if not reaches:
            tail.add(node.name)
        if reaches or node.op_type == 'Conv':
            before_conv.update(node.input)
    return tail

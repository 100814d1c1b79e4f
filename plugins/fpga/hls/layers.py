"""What hls4ml's ONNX front end lacks for a detector, added through its extension interface.

- PaddedMaxPool: stride 1, odd kernel, the map keeps its size. hls4ml's own pooling stops the process on padding.
- NearestUpsample: hls4ml has the operation for streams, but its ONNX front end cannot read a channels-last Resize.
"""

from functools import cache
from pathlib import Path

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.converters import register_onnx_layer_handler
from hls4ml.converters.onnx_to_hls import get_onnx_attribute
from hls4ml.model.layers import Layer, register_layer

from .onnx_graph import POOL, UPSAMPLE

SOURCE = Path(__file__).with_name('padded_max_pool.h')
CONFIG = """struct config{index} : nnet::padded_max_pool_config {{
    static const unsigned height = {height};
    static const unsigned width = {width};
    static const unsigned n_chan = {n_chan};
    static const unsigned kernel = {kernel};
}};\n"""
CALL = 'nnet::padded_max_pool<{input_t}, {output_t}, {config}>({input}, {output});'


class PaddedMaxPool(Layer):
    """Attribute ``kernel``; the output has the input's size, its type is in the configuration."""

    def initialize(self):
        """Declare the output."""
        self.add_output_variable(list(self.get_input_variable().shape))


class PaddedMaxPoolConfig(LayerConfigTemplate):
    """The struct with the sizes of one layer."""

    def __init__(self):
        super().__init__(PaddedMaxPool)

    def format(self, node) -> str:
        """C++ text."""
        height, width, channels = node.get_input_variable().shape
        return CONFIG.format(
            index=node.index, height=height, width=width, n_chan=channels, kernel=node.get_attr('kernel')
        )


class PaddedMaxPoolCall(FunctionCallTemplate):
    """The call of one layer."""

    def __init__(self):
        super().__init__(PaddedMaxPool, include_header=[f'nnet_utils/{SOURCE.name}'])

    def format(self, node) -> str:
        """C++ text."""
        return CALL.format(**self._default_function_params(node))


def read_pool(node, input_names, input_shapes, graph) -> dict:
    """hls4ml's description of a PaddedMaxPool node."""
    return dict(
        name=node.name,
        class_name=POOL,
        inputs=input_names,
        outputs=list(node.output),
        kernel=get_onnx_attribute(node, 'kernel'),
    )


def read_upsample(node, input_names, input_shapes, graph) -> dict:
    """hls4ml's description of a NearestUpsample node: a Resize of a channels-last map."""
    _, height, width, channels = input_shapes[0]
    factor = get_onnx_attribute(node, 'factor')
    return dict(
        name=node.name,
        class_name='Resize',
        inputs=input_names,
        outputs=list(node.output),
        in_height=height,
        in_width=width,
        out_height=height * factor,
        out_width=width * factor,
        n_chan=channels,
        algorithm='nearest',
        data_format='channels_last',
    )


@cache
def register_layers(backend: str) -> None:
    """Make both known to hls4ml, once in a process for each backend ('Vitis', 'Vivado')."""
    register_front_end()
    get_backend(backend).register_template(PaddedMaxPoolConfig)
    get_backend(backend).register_template(PaddedMaxPoolCall)
    get_backend(backend).register_source(SOURCE)


@cache
def register_front_end() -> None:
    """Make both known to the ONNX front end, once in a process."""
    register_layer(POOL, PaddedMaxPool)
    register_onnx_layer_handler(POOL, read_pool)
    register_onnx_layer_handler(UPSAMPLE, read_upsample)

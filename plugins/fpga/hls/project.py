"""An hls4ml project of an integer network: streams, exact types, reuse factors from a budget of DSPs."""

import contextlib
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from detplug.errors import UserError

from ..extra import needs_extra
from ..integers.integer_network import Concat, Conv, IntegerNetwork
from ..integers.map_shapes import Shape, map_shapes
from .number_types import conv_types, map_type
from .onnx_graph import node_name, onnx_graph
from .reuse import multiplications, reuse_factors

NAME = 'detector'


@dataclass(frozen=True)
class Project:
    """A written project, and what is needed to run it.

    Attributes:
        folder: of the project.
        network: what it must compute.
        outputs: names of the maps in the order in which the compiled library writes them.
        layers: name of a map -> name of the layer that makes it, as the library's trace says it.
        reuse: name of a convolution -> its reuse factor.
    """

    folder: Path
    network: IntegerNetwork
    outputs: tuple[str, ...]
    layers: Mapping[str, str]
    reuse: Mapping[str, int]

    def shape(self, name: str) -> Shape:
        """(C, H, W) of a map."""
        return map_shapes(self.network)[name]

    @property
    def dsps(self) -> int:
        """Multipliers of all layers."""
        return sum(layer.dsps(self.reuse[name]) for name, layer in multiplications(self.network).items())

    @property
    def interval(self) -> int:
        """Cycles of the slowest layer for one image, padding and the filling of pipelines not counted."""
        return max((x.pixels * self.reuse[name] for name, x in multiplications(self.network).items()), default=0)

    @property
    def library(self) -> Path:
        """The shared library that :func:`compile_project` makes."""
        return self.folder / 'firmware' / f'{NAME}.so'


def write_project(
    source: IntegerNetwork | str | Path,
    folder: str | Path,
    dsp_budget: int = 1024,
    *,
    backend: str = 'Vitis',
    part: str = 'xczu7ev-ffvc1156-2-e',
    clock_ns: float = 5,
) -> Project:
    """Write the C++ of a network for Vitis HLS.

    Args:
        source: the network, or a QONNX file.
        folder: of the project; files in it are overwritten.
        dsp_budget: the most DSPs that all convolutions use together.
        backend: 'Vitis' or 'Vivado'.
        part: of AMD; the default is the chip of the ZCU104.
        clock_ns: period, nanoseconds.

    Raises:
        UserError: a budget that is too small, or hls4ml does not take the network.
    """
    network = source if isinstance(source, IntegerNetwork) else read_network(source)
    folder = Path(folder).resolve()
    reuse = reuse_factors(multiplications(network), dsp_budget)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            model = convert(network, reuse, folder, backend, part=part, clock_period=clock_ns)
            model.write()
    except UserError:
        raise
    except Exception as error:  # hls4ml raises bare Exception
        raise UserError(f'{folder}: hls4ml: does not take the network ({error}); cut it at a map before') from error
    make_reproducible(folder, model.config.config['Stamp'])
    project = Project(folder, network, output_order(network), traced_layers(network, model), reuse)
    project.library.unlink(missing_ok=True)  # of what was here before
    return project


def make_reproducible(folder: Path, stamp: str) -> None:
    """Equal networks give equal files: no random word in the library's name, no file that names this folder.

    That file, hls4ml_config.yml, is for hls4ml alone and makes Python objects when it is read; nothing here reads it.
    """
    script = folder / 'build_lib.sh'
    script.write_text(script.read_text().replace(f'LIB_STAMP={stamp}', 'LIB_STAMP=').replace('}-${', '}${'))
    (folder / 'hls4ml_config.yml').unlink()


def read_network(path: str | Path) -> IntegerNetwork:
    """The network of a QONNX file."""
    from ..qonnx import read_qonnx  # only needed here; a network may come from elsewhere

    return read_qonnx(path)


def convert(network: IntegerNetwork, reuse: Mapping[str, int], folder: Path, backend: str, **settings):
    """hls4ml's graph (ModelGraph) of a network, not yet written."""
    with needs_extra():
        from hls4ml.converters import convert_from_onnx_model

        from .layers import register_layers

    register_layers(backend)
    with tempfile.NamedTemporaryFile(suffix='.onnx') as file:  # given a model, hls4ml writes all weights as text first
        onnx.save(onnx_graph(network), file.name)
        model = convert_from_onnx_model(
            file.name,
            output_dir=str(folder),
            project_name=NAME,
            backend=backend,
            io_type='io_stream',
            hls_config=configuration(network, reuse),
            **settings,
        )
    model.config.trace_output = True  # every layer can be read in simulation; synthesis does not see it
    return model


def configuration(network: IntegerNetwork, reuse: Mapping[str, int]) -> dict:
    """hls4ml's configuration: the type of every number, and each reuse factor."""
    layers = {node_name(network.input): {'Precision': {'result': map_type(network.input_format)}}}
    for op in network.ops:
        layers[node_name(op.name)] = layer = {'Trace': True}
        if isinstance(op, Conv):
            layer['Precision'] = conv_types(op, network.formats[op.sources[0]])
            layer['ReuseFactor'] = reuse[op.name]
        else:
            layer['Precision'] = {'result': map_type(network.formats[op.name])}
        if isinstance(op, Concat):
            for number in range(2, len(op.sources)):
                layers[f'{node_name(op.name)}_first{number}'] = {'Precision': layer['Precision']}
    # nothing takes the default: a type that is missing would show in the comparison
    return {'Model': {'Precision': 'fixed<16,6>', 'ReuseFactor': 1, 'Strategy': 'Resource'}, 'LayerName': layers}


def output_order(network: IntegerNetwork) -> tuple[str, ...]:
    """hls4ml gives the outputs in the order of the nodes that make them."""
    return tuple(op.name for op in network.ops if op.name in network.outputs)


def traced_layers(network: IntegerNetwork, model) -> dict[str, str]:
    """Name of a map -> name of the layer of hls4ml's graph that makes it."""
    makers = {output: layer.name for layer in model.get_layers() for output in layer.outputs}
    return {op.name: makers[node_name(op.name)] for op in network.ops}

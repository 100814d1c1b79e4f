"""Export format ``qonnx``: the int8 network without its decode tail, equal in torch, qonnx and integers to the bit."""

from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from detplug.errors import UserError
from detplug.export.formats import ExportRequest, register_format
from detplug.export.graph import check_exportable
from detplug.export.images import image_paths
from detplug.export.manifest import describe
from detplug.runtime.bundle import MODEL

from ..extra import needs_extra
from ..integers.integer_network import IntegerNetwork
from .cores import attach_cores
from .graph import read_graph
from .images import network_images
from .read import read_qonnx

COMPARED = 16  # images
PACKAGES = ('brevitas', 'qonnx')


@register_format('qonnx')
def export_qonnx(request: ExportRequest, folder: Path) -> dict:
    """Write ``model.onnx``, in the QONNX dialect, into ``folder``; returns the manifest with its error table.

    Raises:
        UserError: the model is not quantised, or the first tensor that differs.
    """
    manifest, _ = export_integers(request, folder)
    return manifest


def export_integers(request: ExportRequest, folder: Path) -> tuple[dict, IntegerNetwork]:
    """As :func:`export_qonnx`, and the network in integers with its Tensor-Train cores: what other formats start from.

    Raises:
        UserError: as :func:`export_qonnx`.
    """
    check_request(request)
    with needs_extra():
        from ..quantised.raw_network import raw_network, rebuilt_kernels
        from .difference import first_difference
        from .write import write_qonnx
    network, path = raw_network(request.model), folder / MODEL
    write_qonnx(network, path, request.img_size, request.cfg.get('fpga', {}).get('passes', ()))
    images = network_images(image_paths(request.cfg, 'val', COMPARED), describe_raw(request, folder))
    try:
        integers = attach_cores(read_qonnx(path), rebuilt_kernels(request.model))
    except UserError:
        require_equal(
            request, first_difference(network, path, None, images)
        )  # names an earlier tensor, if one is wrong
        raise
    require_equal(request, first_difference(network, path, integers, images))
    errors = {'images': len(images), 'maps': len(integers.formats), 'qonnx_mismatches': 0, 'integer_mismatches': 0}
    return fpga_manifest(request, folder, integers) | {'errors': errors}, integers


def require_equal(request: ExportRequest, difference: object | None) -> None:
    """Refuse a file that computes something else than the torch model; ``difference`` is what first_difference says.

    Raises:
        UserError: the first tensor that differs.
    """
    if difference is not None:
        raise UserError(f'{request.cfg.filename}: qonnx: {difference}; nothing was written')


def check_request(request: ExportRequest) -> None:
    """Refuse what has no form in integers; that the model is quantised is seen later.

    Raises:
        UserError: a batch of any size, a head without raw maps.
    """
    if request.dynamic_batch:
        raise UserError('--dynamic-batch: hardware takes one image at a time; leave it out')
    check_exportable(request.model, raw=True)
    if request.device.type != 'cpu':
        print(f'--device {request.device}: not used, integers are compared on the CPU')


def describe_raw(request: ExportRequest, folder: Path) -> dict:
    """The host's manifest of a graph without decoding; the names of outputs are those of the file."""
    graph = read_graph(folder / MODEL)
    manifest = describe(replace(request, raw=True, as_pipeline=False), folder, list(graph.outputs))
    return manifest | {'model': manifest['model'] | {'opset': graph.opset, 'dialect': 'QONNX'}}


def fpga_manifest(request: ExportRequest, folder: Path, integers: IntegerNetwork) -> dict:
    """With how integers are read (a q of a map stands for q * 2 ** -frac), and versions of the tools."""
    manifest = describe_raw(request, folder)
    return manifest | {
        'input': manifest['input'] | {'format': asdict(integers.input_format)},
        'outputs': manifest['outputs'] | {'formats': [asdict(integers.formats[name]) for name in integers.outputs]},
        'versions': manifest['versions'] | {name: version(name) for name in PACKAGES},
    }

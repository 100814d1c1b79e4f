"""Export format ``fpga``: QONNX, HLS project, RTL accelerator, golden vectors, post-processor, report in one folder."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from detplug.export.formats import ExportRequest, register_format
from detplug.export.images import image_paths

from ..extra import needs_extra
from ..qonnx.export import export_integers
from ..qonnx.images import network_images, to_integers
from .fit import check_fit
from .golden import write_golden, write_postprocessor
from .readme import readme
from .settings import settings_of, sizes_of


def check_request(request: ExportRequest) -> None:
    """What the bundle refuses whatever the weights are, see :func:`check_fit`; and a model that is not quantised.

    Raises:
        UserError: such a request.
    """
    with needs_extra():
        from ..quantised.raw_network import shared_network
    shared_network(request.model)
    check_fit(request.model, request.cfg, request.img_size, request.cfg.model.get('form', 'chain'))


@register_format('fpga', check_request)
def export_fpga(request: ExportRequest, folder: Path) -> dict:
    """Write the bundle into ``folder``; returns the manifest. ``fpga = dict(...)`` of the config are its settings.

    Raises:
        UserError: the model is not quantised, or a part that does not match, with the first tensor that differs.
    """
    settings = settings_of(request.cfg)
    check_request(request)
    with needs_extra():
        from ..cost.boards import read_board
        from ..cost.bundle_report import write_bundle_report
        from .hls_part import takes_hls, write_hls
        from .rtl_part import write_rtl
        from .vivado import constraints, vivado_script
    board = read_board(settings.board)
    manifest, network = export_integers(request, folder)
    images = network_images(image_paths(request.cfg, 'val', settings.images), manifest)
    q = to_integers(images, network.input_format)
    maps = write_golden(folder, network, q)
    manifest['errors'] |= write_postprocessor(folder, request, manifest, maps, images)
    with ThreadPoolExecutor(1) as beside:  # a C++ compiler works on each of the two for most of the time
        hls = beside.submit(write_hls, folder, network, q, settings, board) if takes_hls(network, settings) else None
        manifest['rtl'] = {'array': settings.array} | write_rtl(folder, network, maps, settings)
        manifest['hls'] = None if hls is None else hls.result()
    write_bundle_report(folder, network, settings.board, sizes_of(settings))
    (folder / 'rtl' / 'vivado.tcl').write_text(vivado_script(board))
    (folder / 'rtl' / 'accelerator.xdc').write_text(constraints(board))
    (folder / 'README.md').write_text(readme(manifest, f'int8 detector for {board.name}', board.name, board.part))
    return manifest

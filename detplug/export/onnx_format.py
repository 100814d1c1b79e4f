"""Export format ``onnx``: float32, checked end to end against the torch model."""

from pathlib import Path

from detplug.errors import UserError
from detplug.export.bundle import write_manifest
from detplug.export.compare import compare, require
from detplug.export.formats import ExportRequest, register_format
from detplug.export.graph import check_exportable, write_graph
from detplug.export.images import image_paths
from detplug.export.manifest import describe
from detplug.export.runtime import MODEL, Detector

COMPARED = 16  # images


@register_format('onnx')
def export_onnx(request: ExportRequest, folder: Path) -> dict:
    """Write ``model.onnx`` and ``manifest.json`` into ``folder``; returns the manifest with its error table.

    Raises:
        UserError: the model has no ONNX form here, or the runtime's boxes are not the torch model's.
    """
    check_exportable(request.model, request.raw)
    outputs = write_graph(request.model, folder / MODEL, request.img_size, request.raw, request.dynamic_batch)
    manifest = describe(request, folder, outputs)
    write_manifest(folder, manifest)
    paths = image_paths(request.cfg, 'val', COMPARED)
    agreement = compare(request.model, Detector(folder, device='cpu'), paths, request.device)
    require(agreement, f'{request.cfg.filename}: onnx')
    if not agreement.boxes:
        raise UserError(
            f'{request.cfg.filename}: onnx: the model finds nothing in {agreement.images} images of the '
            'val split, so nothing could be compared; give a trained checkpoint'
        )
    return manifest | {'errors': agreement.to_dict()}

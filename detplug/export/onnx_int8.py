"""Export format ``onnx-int8``: a float32 bundle that equals the torch model, quantised, its loss of mAP measured."""

import tempfile
from pathlib import Path

from detplug.errors import UserError
from detplug.export.bundle import write_manifest
from detplug.export.evaluate import bundle_map
from detplug.export.formats import ExportRequest, register_format
from detplug.export.images import image_paths
from detplug.export.onnx_format import export_onnx
from detplug.export.quantise import CalibrationImages, quantise
from detplug.runtime.bundle import MODEL, Detector, sha256

CALIBRATION_IMAGES = 64


@register_format('onnx-int8')
def export_onnx_int8(request: ExportRequest, folder: Path) -> dict:
    """Write ``model.onnx`` and ``manifest.json`` into ``folder``; returns the manifest.

    Its ``errors`` are those of the float32 graph that was quantised; ``int8`` holds the mAP (0 to 1) of both on the
    val split.

    Raises:
        UserError: as :func:`export_onnx`; the quantised model loses more than ``request.max_map_loss``.
    """
    calibration = image_paths(request.cfg, 'train', CALIBRATION_IMAGES)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        full = Path(temporary)
        manifest = export_onnx(request, full)
        write_manifest(full, manifest)
        quantise(full / MODEL, folder / MODEL, CalibrationImages(Detector(full, device='cpu'), calibration))
        manifest = manifest | {'model': manifest['model'] | {'sha256': sha256(folder / MODEL)}}
        write_manifest(folder, manifest)
        before, images = bundle_map(full, request.cfg, 'val', request.map_images)
        after, _ = bundle_map(folder, request.cfg, 'val', request.map_images)
        sizes = {'bytes_float32': (full / MODEL).stat().st_size, 'bytes_int8': (folder / MODEL).stat().st_size}
    if before is not None and before - after > request.max_map_loss:
        raise UserError(
            f'{request.cfg.filename}: onnx-int8: mAP falls from {before:.3f} to {after:.3f} on the val '
            f'split, more than {request.max_map_loss}; nothing was written; use --format onnx, '
            'or allow it by --max-map-loss'
        )
    return manifest | {
        'int8': {
            'map_float32': before,
            'map_int8': after,
            'map_loss': None if before is None else before - after,
            'images': images,
            'calibration_images': len(calibration),
        }
        | sizes
    }

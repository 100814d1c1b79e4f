"""Export format ``bioimageio``: an ONNX bundle that is a package of the BioImage Model Zoo too, and as one zip."""

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml

from detplug.errors import UserError
from detplug.export.formats import ExportRequest, register_format
from detplug.export.images import image_paths
from detplug.export.onnx_format import export_onnx
from detplug.runtime.bundle import MODEL, Detector
from plugins.microscopy.bioimageio.description import describe, document

CARD = dict(description='', authors=[], cite=[], license='Apache-2.0', tags=['object-detection', 'detplug'])
FIELDS = {'name': str, 'description': str, 'authors': list, 'cite': list, 'license': str, 'tags': list}
NOT_OF_A_NAME = r'[^\w+\- ()]'
DESCRIPTION, DOCUMENT, PACKAGE = 'rdf.yaml', 'README.md', 'package.zip'


class Plain(yaml.SafeDumper):
    """Without anchors: what is said twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@register_format('bioimageio')
def export_bioimageio(request: ExportRequest, folder: Path) -> dict:
    """Write what ``--format onnx`` writes, ``rdf.yaml``, ``README.md``, test tensors, and all of these as package.zip.

    ``bioimageio = dict(name=..., description=..., authors=[dict(name=...)], cite=[dict(text=..., doi=...)],
    license=..., tags=[...])`` of the config says what is not in the bundle; all of it is optional.

    Raises:
        UserError: as ``--format onnx``; an input that is not of one size; a wrong ``bioimageio`` of the config.
    """
    card = card_of(request)
    if request.raw or request.dynamic_batch:
        option = 'raw' if request.raw else 'dynamic-batch'
        raise UserError(f'--{option}: a package of the zoo holds detections of one image; leave it out')
    manifest = export_onnx(request, folder)
    tensors = test_tensors(Detector(folder, device='cpu'), image_paths(request.cfg, 'val', 1)[0])
    files = {name: f'test_{name}.npy' for name in tensors}
    for name, tensor in tensors.items():
        np.save(folder / files[name], tensor)
    (folder / DOCUMENT).write_text(document(card, manifest['classes'], manifest['metrics']), encoding='utf-8')
    files |= {'model': MODEL, 'documentation': DOCUMENT}
    opset = next(x.version for x in onnx.load(folder / MODEL).opset_import if x.domain in ('', 'ai.onnx'))
    content = describe(manifest, tensors, files, opset, card)
    (folder / DESCRIPTION).write_text(
        yaml.dump(content, Dumper=Plain, sort_keys=False, allow_unicode=True), encoding='utf-8'
    )
    with zipfile.ZipFile(folder / PACKAGE, 'w', zipfile.ZIP_DEFLATED) as package:
        for file in (DESCRIPTION, *files.values()):
            package.write(folder / file, file)
    return manifest


def card_of(request: ExportRequest) -> dict[str, Any]:
    """Name, description, authors, ... of the config, with what it does not say.

    Raises:
        UserError: a field that the specification does not have, or of another kind.
    """
    given = dict(request.cfg.get('bioimageio') or {})
    for key, value in given.items():
        if key not in FIELDS or not isinstance(value, FIELDS[key]):
            kind = FIELDS[key].__name__ if key in FIELDS else f'no field; one of {", ".join(FIELDS)}'
            raise UserError(f'{request.cfg.filename}: bioimageio.{key}: {kind} is wanted; correct it')
    if re.search(NOT_OF_A_NAME, given.get('name', '')):
        raise UserError(
            f'{request.cfg.filename}: bioimageio.name: letters, digits, blanks and _+-() are wanted; correct it'
        )
    name = re.sub(NOT_OF_A_NAME, ' ', Path(request.cfg.filename or 'detector').stem)
    return {'name': f'{name} of detplug'} | CARD | {key: plain(value) for key, value in given.items()}


def plain(value: Any) -> Any:
    """Dicts and lists of mmengine's config as Python's own, which YAML can write."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def test_tensors(detector: Detector, image: str | Path) -> dict[str, np.ndarray]:
    """Input (1, 3, H, W) uint8 before normalisation, and what the graph says of it normalised.

    Raises:
        UserError: the network's input has no fixed size.
    """
    spec = detector.manifest['input']
    if spec.get('image_sizes'):
        raise UserError('--format bioimageio: this detector is told the sizes of pictures too; it has no package')
    if not all(isinstance(side, int) for side in spec['shape']):
        raise UserError('--format bioimageio: the input is not of one size; give --img-size')
    pixels = detector.prepare(image).pixels
    mean, std = (np.asarray(spec[key], np.float32).reshape(3, 1, 1) for key in ('mean', 'std'))
    whole = np.rint(pixels * std + mean).clip(0, 255).astype(np.uint8)
    feed = {spec['name']: ((whole - mean) / std).astype(np.float32)[None]}
    names = detector.manifest['outputs']['names']
    return {spec['name']: whole[None]} | dict(zip(names, detector.session.run(names, feed), strict=True))

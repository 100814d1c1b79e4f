"""A plugin of somebody else, as a distribution of its own: a backbone, a detector that says more of each box, an export
format, a data source and a drawer; and a second one that does not import."""

import subprocess
import sys
from pathlib import Path

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.0"

[project.entry-points."detplug.plugins"]
{plugin} = "{package}"

[tool.setuptools]
packages = ["{package}"]
"""
ROSETTE = {
    '__init__.py': '"""Registers nothing heavy: predict BUNDLE draws with it where there is no torch."""\n',
    'model.py': '''
import torch
from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import MODELS
from torch import nn

@MODELS.register_module()
class RosetteBackbone(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 8, 8)

    def forward(self, images):
        fine = self.stem(images)
        return fine, fine[..., ::2, ::2], fine[..., ::4, ::4]

@MODELS.register_module()
class RosetteDetector(SingleStageDetector):
    def predict(self, inputs, samples, rescale=True):
        samples = super().predict(inputs, samples, rescale)
        for sample in samples:
            sample.pred_instances.age = sample.pred_instances.labels + 0.5
        return samples
''',
    'formats.py': '''
from detplug.export.formats import register_format

@register_format('rosette')
def export_rosette(request, folder):
    (folder / 'rosette.txt').write_text(str(request.img_size))
    return {'classes': list(request.classes)}
''',
    'result_fields.py': '''
from detplug.runtime.result_field import ResultField

def blue_corner(picture, detections, values):
    assert len(values) == len(detections)
    picture[:8, -8:] = (255, 0, 0)

FIELDS = {'age': ResultField(blue_corner, column=lambda values: [f'{value:.2f} days' for value in values])}
''',
    'data_sources.py': '''
from detplug.data.prepare import Prepared

def read_petals(src):
    return Prepared(counts={'petals': len(list(src.iterdir()))}, texts={'petals.json': '[]'})

SOURCES = {'petals': read_petals}
''',
}  # fmt: skip
BROKEN = {
    name: 'from nowhere_at_all import anything\n' for name in ('__init__.py', 'result_fields.py', 'data_sources.py')
}


def install(folder: Path, name: str, plugin: str, package: str, files: dict[str, str]) -> Path:
    """Build the distribution ``name`` and install it, without network, into ``folder/site``, which is returned."""
    source, site = folder / name, folder / 'site'
    (source / package).mkdir(parents=True)
    (source / 'pyproject.toml').write_text(PYPROJECT.format(name=name, plugin=plugin, package=package))
    for file, text in files.items():
        (source / package / file).write_text(text)
    pip = [sys.executable, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    offline = ['--no-index', '--no-deps', '--no-build-isolation', '--target', str(site), str(source)]
    subprocess.run([*pip, *offline], check=True, capture_output=True, text=True)
    return site

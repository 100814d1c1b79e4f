"""hls4ml's C simulation of the dense int8 YOLOv5n, on images of the validation split.

``qonnx_mismatches`` and ``integer_mismatches``: values, of all maps, that differ between QONNX and brevitas, and
between the integer network and QONNX. ``hls_mismatches``: values of the outputs that differ between the C simulation
and the integer network. ``layers``: convolutions in the C simulation, ``share_of_macs`` their part of all
multiplications.
By default the calibrated detector of benchmarks/fpga_accuracy.py.

python benchmarks/fpga_csim.py [--config C --checkpoint P] [--img-size S] [--images N]
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from finetuning import ROOT
from fpga_accuracy import FOLDER as DETECTORS
from record import record
from torch import nn

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from detplug.export.formats import ExportRequest
from detplug.export.images import image_paths
from plugins.fpga.hls.build import compile_project
from plugins.fpga.hls.cut import share
from plugins.fpga.hls.project import write_project
from plugins.fpga.hls.reuse import multiplications
from plugins.fpga.hls.verify import mismatches
from plugins.fpga.integers.integer_network import IntegerNetwork
from plugins.fpga.qonnx import read_qonnx
from plugins.fpga.qonnx.difference import count_mismatches, values
from plugins.fpga.qonnx.execution import QonnxExecution
from plugins.fpga.qonnx.export import describe_raw
from plugins.fpga.qonnx.images import network_images, to_integers
from plugins.fpga.qonnx.torch_maps import torch_maps
from plugins.fpga.qonnx.write import write_qonnx
from plugins.fpga.quantised.raw_network import raw_network

FOLDER = ROOT / 'work_dirs/benchmarks/fpga_csim'


def qonnx_figures(network: nn.Module, integers: IntegerNetwork, path: Path, images: np.ndarray) -> dict[str, int]:
    """Mismatches of all maps of all images (N, 3, S, S), and how many values were compared."""
    qonnx, figures = QonnxExecution(path), dict(qonnx_mismatches=0, qonnx_values=0, integer_mismatches=0)
    for image in images:
        calls, outputs = torch_maps(network, torch.from_numpy(image[None]))
        in_torch = {tensor: calls[call] for tensor, call in qonnx.calls.items() if call in calls}
        in_torch |= dict(zip(qonnx.outputs, outputs, strict=True))
        in_qonnx = qonnx(image[None])
        in_integers = values(integers, image[None])
        figures['qonnx_mismatches'] += sum(count_mismatches(in_qonnx[name], x) for name, x in in_torch.items())
        figures['qonnx_values'] += sum(x.size for x in in_torch.values())
        figures['integer_mismatches'] += sum(count_mismatches(x, in_qonnx[name]) for name, x in in_integers.items())
    return figures


def hls_figures(integers: IntegerNetwork, images: np.ndarray) -> dict[str, float]:
    """The project of the whole network, compiled and run."""
    project = write_project(integers, FOLDER / 'hls')
    compiled = compile_project(project)
    print(f'compiled: {compiled}', flush=True)
    wrong = mismatches(project, to_integers(images, integers.input_format))
    return {
        'hls_mismatches': sum(wrong.values()),
        'hls_values': len(images) * sum(int(np.prod(project.shape(name))) for name in wrong),
        'share_of_macs': share(project.network, integers).macs,
        'layers': len(multiplications(project.network)),
        'compile_seconds': compiled.seconds,
        'compile_mb': compiled.megabytes,
    }


def measure(config_file: Path, checkpoint: Path, side: int, count: int) -> dict[str, float]:
    """Figures of one detector on the first ``count`` images of the validation split, ``side`` px."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    config = load_config(ROOT / config_file)
    model, path = build_detector(config, ROOT / checkpoint), FOLDER / 'model.onnx'
    network = raw_network(model)
    write_qonnx(network, path, side)
    manifest = describe_raw(ExportRequest(model, config, img_size=side), FOLDER)
    images, integers = network_images(image_paths(config, 'val', count), manifest), read_qonnx(path)
    figures = qonnx_figures(network, integers, path, images)
    print(figures, flush=True)
    return figures | hls_figures(integers, images) | {'images': len(images), 'img_size': side}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', type=Path, default=DETECTORS / 'dense-int8' / 'config.py')
    parser.add_argument('--checkpoint', type=Path, default=DETECTORS / 'dense-int8' / 'compressed.pth')
    parser.add_argument('--img-size', type=int, default=160, help='px')
    parser.add_argument('--images', type=int, default=16)
    words = parser.parse_args()
    record('fpga_csim', measure(words.config, words.checkpoint, words.img_size, words.images), [])


if __name__ == '__main__':
    main()

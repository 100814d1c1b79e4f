"""Cycles and bytes of one 640 px frame on the accelerator, N = 16: dense YOLOv5n, and 2x, 4x, 8x smaller ones.

RATIO.FORM.NAME: ``dense`` fetches kernels, ``chain`` runs the cores as convolutions, ``rebuild`` fetches cores and
rebuilds kernels on the chip; ``cycles`` of all, ``element_cycles`` of addition, pooling and upsampling in them,
``macs``, ``weight_bytes`` and ``map_bytes`` that the memory outside moves. The detectors of benchmarks/tt_bccd.py;
weights do not matter. A report.html of each ratio lies in work_dirs/benchmarks/fpga_network.

python benchmarks/fpga_network.py [--ranks water_filling]
"""

import argparse

from finetuning import ROOT
from fpga_resources import DESIGNS, resources
from record import record
from torch import nn
from tt_bccd import CONFIG, RATIOS, SELECTIONS, compressed, start

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from plugins.fpga.cost.boards import known_boards
from plugins.fpga.cost.layers import FORMS
from plugins.fpga.cost.network import LayerCost, costs_of, network_cost
from plugins.fpga.cost.report import write_report
from plugins.fpga.cost.torch_layers import layers_of_model

SIDE, N = 640, 16
FOLDER = ROOT / 'work_dirs/benchmarks/fpga_network'


def detectors(selection: str) -> dict[str, nn.Module]:
    """The dense and the compressed detectors by ratio."""
    files = {'dense': (CONFIG, start())}
    for ratio in RATIOS:
        folder = compressed(ratio, selection)
        files[ratio] = folder / 'config.py', folder / 'compressed.pth'
    return {
        ratio: build_detector(load_config(ROOT / config), ROOT / checkpoint).eval()
        for ratio, (config, checkpoint) in files.items()
    }


def frame_figures(costs: list[LayerCost]) -> dict[str, float]:
    """Of one network in one form."""
    whole = network_cost(costs)
    return {
        'cycles': whole.cycles,
        'element_cycles': network_cost(costs, convs=False).cycles,
        'macs': whole.macs,
        'weight_bytes': whole.weight_bytes,
        'map_bytes': whole.in_bytes + whole.out_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ranks', choices=SELECTIONS, default='water_filling', help='selection of the ranks')
    selection = parser.parse_args().ranks
    figures, taken = {}, resources(N)
    for ratio, detector in detectors(selection).items():
        layers = layers_of_model(detector, SIDE, N)
        costs = {form: costs_of(layers, form, DESIGNS[N]) for form in FORMS}
        for form, own in costs.items():
            figures |= {f'{ratio}.{form}.{name}': value for name, value in frame_figures(own).items()}
        boards = list(known_boards().values())
        write_report(FOLDER / ratio, f'YOLOv5n {ratio}, {SIDE} px', costs, DESIGNS[N], taken, boards)
    fetched = [figures[f'{name}.weight_bytes'] for name in ('dense.dense', '4x.rebuild')]
    record('fpga_network', figures | {'weight_bytes_ratio_4x': fetched[0] / fetched[1]}, [])


if __name__ == '__main__':
    main()

"""Cycles and bytes of one 640 px frame on the accelerator: dense YOLOv5n, and 2x, 4x, 8x smaller ones.

RATIO.FORM.NAME: ``dense`` fetches kernels, ``chain`` runs the cores as convolutions, ``rebuild`` fetches cores and
rebuilds kernels on the chip; ``cycles`` of all, ``element_cycles`` of addition, pooling and upsampling in them,
``macs``, ``weight_bytes`` and ``map_bytes`` that the memory outside moves; ``utilisation``: share of the cycles in
which the array would be busy with the MACs alone. The dense detector of benchmarks/fpga_accuracy.py, compressed and not
fine-tuned: weights matter for the ranks alone; with ``--untrained`` the converted COCO checkpoint with a new head,
whose ranks are others. Ranks are multiples of 16, so that an array of 16 x 16 has nothing to fill up; of 8 at 8x, which
is too small for 16 everywhere.
A report.html of each ratio lies in work_dirs/benchmarks/fpga_network.

N = 16; figures of N = 8 begin with n8. ``weight_bytes_ratio_4x``: how many times fewer weight bytes the 4x smaller
detector fetches, its kernels rebuilt on the chip, than the dense one. ``computing``: share of the cycles in which a
`Compute` runs, whether all multipliers have work or not; the rest is all that maps kept on the chip could save.

python benchmarks/fpga_network.py [--ranks water_filling] [--untrained]
"""

import argparse

from finetuning import ROOT
from fpga_accuracy import CONFIG, compress, trained_dense
from fpga_resources import SINGLE
from fpga_untrained import untrained_dense
from record import record
from torch import nn
from tt_bccd import RATIOS, SELECTIONS

from detplug.cli.config import load_config
from detplug.cli.detector import build_detector
from plugins.fpga.cost.boards import known_boards
from plugins.fpga.cost.bundle_report import measured_resources
from plugins.fpga.cost.layers import FORMS
from plugins.fpga.cost.network import LayerCost, costs_of, network_cost
from plugins.fpga.cost.report import write_report
from plugins.fpga.cost.torch_layers import network_of_model

SIDE = 640
ARRAYS = {16: '', 8: 'n8.'}  # N -> prefix of its figures
MULTIPLES = {'2x': 16, '4x': 16, '8x': 8}  # of which every rank is one
FOLDER = ROOT / 'work_dirs/benchmarks/fpga_network'


def detectors(selection: str, untrained: bool) -> dict[str, nn.Module]:
    """The dense and the compressed detectors by ratio."""
    files = {'dense': (CONFIG, untrained_dense() if untrained else trained_dense())}
    folder = FOLDER / 'untrained' if untrained else FOLDER
    for ratio, share in RATIOS.items():
        multiple = str(MULTIPLES[ratio])
        words = ['--budget', str(share), '--ranks', selection, '--rank-multiple', multiple]
        small = compress(*files['dense'], folder.relative_to(ROOT) / f'{ratio}-{selection}-{multiple}', *words)
        files[ratio] = small / 'config.py', small / 'compressed.pth'
    return {
        ratio: build_detector(load_config(ROOT / config), ROOT / checkpoint).eval()
        for ratio, (config, checkpoint) in files.items()
    }


def frame_figures(costs: list[LayerCost], n: int) -> dict[str, float]:
    """Of one network in one form."""
    whole = network_cost(costs)
    return {
        'cycles': whole.cycles,
        'element_cycles': network_cost(costs, convs=False).cycles,
        'macs': whole.macs,
        'utilisation': whole.macs / n**2 / whole.cycles,
        'computing': whole.compute_cycles / whole.cycles,
        'weight_bytes': whole.weight_bytes,
        'map_bytes': whole.in_bytes + whole.out_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ranks', choices=SELECTIONS, default='water_filling', help='selection of the ranks')
    parser.add_argument('--untrained', action='store_true', help='the COCO checkpoint with a new head')
    words = parser.parse_args()
    figures, boards = {}, list(known_boards().values())
    for ratio, detector in detectors(words.ranks, words.untrained).items():
        for n, prefix in ARRAYS.items():
            network = network_of_model(detector, SIDE)
            sizes = SINGLE[str(n)]
            costs = {form: costs_of(network, form, sizes) for form in FORMS}
            for form, layers in costs.items():
                figures |= {f'{prefix}{ratio}.{form}.{name}': value for name, value in frame_figures(layers, n).items()}
            name = f'YOLOv5n {ratio}, {SIDE} px'
            write_report(
                FOLDER / f'{ratio}-n{n}', name, costs, SINGLE[str(n)], measured_resources(SINGLE[str(n)]), boards
            )
    for prefix in ARRAYS.values():
        dense, small = (figures[f'{prefix}{name}.weight_bytes'] for name in ('dense.dense', '4x.rebuild'))
        figures[f'{prefix}weight_bytes_ratio_4x'] = dense / small
    record('fpga_network', figures, [])


if __name__ == '__main__':
    main()

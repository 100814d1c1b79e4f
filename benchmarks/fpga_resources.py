"""Blocks that the accelerator takes on Xilinx FPGAs, N = 4, 8, 16, as yosys maps its Verilog; no place-and-route.

N.dsp, N.bram (36 kbit), N.lut, N.ff for 7 series; with the prefix ``xcup.`` for UltraScale+. The memories are those of
benchmarks/fpga_rtl.py. Minutes a design; resumable.

python benchmarks/fpga_resources.py
"""

import argparse
import json
from dataclasses import asdict

from finetuning import ROOT
from fpga_rtl import SIZES
from record import record

from plugins.fpga.cost.bundle_report import MEASURED
from plugins.fpga.cost.resources import FAMILIES, Resources, accelerator_resources, design_hash
from plugins.fpga.hardware.sizes import Sizes

DESIGNS = {4: Sizes(4), **SIZES}
PREFIXES = {'xc7': '', 'xcup': 'xcup.'}
FOLDER = ROOT / 'work_dirs/benchmarks/fpga_resources'


def resources(n: int) -> dict[str, Resources]:
    """Family -> what the accelerator of width ``n`` takes."""
    return {family: accelerator_resources(DESIGNS[n], family, FOLDER) for family in FAMILIES}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    figures, kept = {}, {}
    for n, sizes in DESIGNS.items():
        taken = resources(n)
        kept[design_hash(sizes)] = {family: asdict(found) for family, found in taken.items()}
        for family, found in taken.items():
            print(f'N = {n} {family}: {found}', flush=True)
            figures |= {f'{PREFIXES[family]}{n}.{name}': value for name, value in asdict(found).items()}
    record('fpga_resources', figures, [])
    MEASURED.write_text(json.dumps(kept, indent=2) + '\n')  # what the report of a bundle shows


if __name__ == '__main__':
    main()

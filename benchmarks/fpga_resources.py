"""Blocks that the accelerator takes on Xilinx FPGAs, N = 4, 8, 16, as yosys maps its Verilog; no place-and-route.

N.dsp, N.bram (36 kbit), N.lut, N.ff for 7 series; with the prefix ``xcup.`` for UltraScale+. The memories are those of
benchmarks/fpga_rtl.py. N_paired: with two products in a DSP block. Minutes a design; resumable.

python benchmarks/fpga_resources.py
"""

import argparse
import json
from dataclasses import asdict, replace

from finetuning import ROOT
from fpga_rtl import SIZES
from record import record

from plugins.fpga.cost.bundle_report import MEASURED
from plugins.fpga.cost.resources import FAMILIES, Resources, accelerator_resources, design_hash
from plugins.fpga.hardware.sizes import Sizes

SINGLE = {'4': Sizes(4)} | {str(n): sizes for n, sizes in SIZES.items()}
DESIGNS = SINGLE | {f'{n}_paired': replace(SINGLE[n], paired=True) for n in ('8', '16')}
PREFIXES = {'xc7': '', 'xcup': 'xcup.'}
FOLDER = ROOT / 'work_dirs/benchmarks/fpga_resources'


def resources(name: str) -> dict[str, Resources]:
    """Family -> what a design takes."""
    return {family: accelerator_resources(DESIGNS[name], family, FOLDER) for family in FAMILIES}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    figures, kept = {}, {}
    for name, sizes in DESIGNS.items():
        taken = resources(name)
        kept[design_hash(sizes)] = {family: asdict(found) for family, found in taken.items()}
        for family, found in taken.items():
            print(f'N = {name} {family}: {found}', flush=True)
            figures |= {f'{PREFIXES[family]}{name}.{kind}': value for kind, value in asdict(found).items()}
    record('fpga_resources', figures, [])
    MEASURED.write_text(json.dumps(kept, indent=2) + '\n')  # what the report of a bundle shows


if __name__ == '__main__':
    main()

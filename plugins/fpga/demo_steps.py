"""The demo's small detector as a bundle for an FPGA."""

import shutil
from importlib.util import find_spec

from detplug.cli.demo_step import Demo, DemoStep, StepResult
from detplug.extras import FPGA


def fpga(demo: Demo) -> StepResult:
    """Quantise with power-of-two scales and write the bundle, which is compared with its Verilog."""
    small = demo.made('small', 'config'), demo.made('small', 'checkpoint')
    int8, bundle = demo.root / 'int8', demo.root / 'fpga'
    demo.run('compress', *small, '--method', 'fpga', '--out', int8)
    quantised = int8 / 'config.py', int8 / 'compressed.pth'
    demo.run('export', *quantised, '--format', 'fpga', '--img-size', '160', '--out', bundle)
    return StepResult(
        text='Integers with power-of-two scales; the bundle was compared with the simulation of its Verilog.',
        files={'FPGA bundle': bundle / 'README.md', 'its folder': bundle},
    )


def lacking() -> str:
    """What the step needs and does not find."""
    if not all(find_spec(name) for name in FPGA):
        return "it needs pip install 'detplug[fpga]'"
    return '' if shutil.which('g++') else 'it needs g++, a C++ compiler, which simulates the hardware'


STEPS = {'fpga': DemoStep('int8 with power-of-two scales, and the FPGA bundle', fpga, ('small',), lacking)}

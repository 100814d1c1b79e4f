"""``detplug doctor``: is the installation whole? Every wrong line names its cure.

Looks at the machine; what to make of it is in doctor_checks.py. torch is imported by child processes only, and only
where [train] is installed: a broken one must not break the doctor.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distributions, metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from detplug.errors import UserError
from detplug.outcome import note_outcome

from .doctor_checks import (
    TRAINING,
    Finding,
    check_base,
    check_duplicates,
    check_extra,
    check_pins,
    check_probe,
    check_python,
    check_space,
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
RUNTIME_PROBE = 'import cv2, onnxruntime; print("loaded |", ", ".join(onnxruntime.get_available_providers()))'
# the note: all devices of this machine
TORCH_PROBE = """
import torch
accelerator = torch.accelerator.current_accelerator(check_available=True)
devices = [f'{accelerator.type}:{i}' for i in range(torch.accelerator.device_count())] if accelerator else []
print((torch.ones(2, 3) @ torch.ones(3, 1)).flatten().tolist(), '|', ' '.join(['cpu', *devices]))
"""
# of the three boxes the second overlaps the first by .81; the note: whose operators these are
OPS_PROBE = """
import sys, torch, mmcv._ext
from mmcv.ops import get_compiling_cuda_version, nms
boxes = torch.tensor([[0., 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]], device=sys.argv[1])
kept = nms(boxes, torch.tensor([.9, .8, .7], device=sys.argv[1]), .5)[1].tolist()
plain = mmcv._ext.__file__.endswith('.py')
print(kept, '|', 'plain torch' if plain else f'compiled, CUDA {get_compiling_cuda_version()}')
"""
MMDET_PROBE = 'import mmdet.datasets, mmdet.models; print("loaded")'
MEMORY_PROBE = 'import psutil; print(psutil.virtual_memory().available)'


def main(argv: Sequence[str] | None = None) -> int:
    """Print all findings; returns 1 if any is wrong, else 0."""
    argparse.ArgumentParser(prog='doctor', description='Check the installation.').parse_args(argv)
    installed = {canonicalize_name(found.metadata['Name']): found.version for found in distributions()}
    findings = [*check_packages(installed), check_probe('runtime', *_run_probe(RUNTIME_PROBE), expected='loaded')]
    if TRAINING & installed.keys():
        findings += check_training()
    findings += check_space(shutil.disk_usage('.').free, _free_memory())
    print(*findings, sep='\n')
    note_outcome(findings=[str(finding) for finding in findings])
    wrong = sum(bool(finding.cure) for finding in findings)
    print(f'{wrong} of {len(findings)} lines are wrong' if wrong else 'the installation is whole')
    return 1 if wrong else 0


def check_packages(installed: Mapping[str, str]) -> list[Finding]:
    """Versions against the ranges of detplug's metadata and, in the environment of ``make setup``, against its lock.

    Raises:
        UserError: detplug itself is not installed, so that there is no metadata.
    """
    try:
        about = metadata('detplug')
    except PackageNotFoundError as error:
        raise UserError(f'{sys.prefix}: detplug is not installed there; pip install -e . or make setup') from error
    requires = about.get_all('Requires-Dist') or []
    findings = [
        check_python(sys.version_info, about['Requires-Python']),
        Finding('detplug', about['Version']),
        *check_base(installed, requires),
    ]
    for extra in about.get_all('Provides-Extra') or []:
        findings += check_extra(extra, installed, requires)
    if Path(sys.prefix).resolve() == ROOT / '.venv':
        findings += check_pins(installed, read_pins(ROOT / 'requirements'))
    return findings + check_duplicates(installed)


def check_training() -> list[Finding]:
    """Run one operation of torch, one operator of mmcv on every device that torch finds, and load mmdet."""
    status, output = _run_probe(TORCH_PROBE)
    findings = [check_probe('torch operation', status, output, expected='[3.0, 3.0]')]
    if not findings[0].cure:
        for device in output.strip().rpartition(' | ')[2].split():
            probe = _run_probe(OPS_PROBE, device)
            findings.append(check_probe(f'mmcv operator on {device}', *probe, expected='[0, 2]'))
    return [*findings, check_probe('mmdet', *_run_probe(MMDET_PROBE), expected='loaded')]


def read_pins(folder: Path) -> dict[str, str]:
    """Normalised name -> version of every ``name==version`` line of the .txt files in ``folder`` but compile.txt."""
    files = [path for path in sorted(folder.glob('*.txt')) if path.name != 'compile.txt']
    lines = [line for path in files for line in path.read_text().splitlines()]
    pins = re.findall(r'^([\w.-]+)==(\S+)$', '\n'.join(lines), re.M)
    return {canonicalize_name(name): version for name, version in pins}


def _run_probe(code: str, *words: str) -> tuple[int, str]:
    child = subprocess.run(
        [sys.executable, '-c', code, *words], text=True, errors='replace', stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    return child.returncode, child.stdout


def _free_memory() -> int | None:
    """Bytes a program can still get, by psutil's definition; None without psutil, which [train] brings."""
    status, output = _run_probe(MEMORY_PROBE)
    return int(output) if status == 0 else None

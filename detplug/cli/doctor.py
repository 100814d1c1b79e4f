"""``detplug doctor``: is the installation whole? Every wrong line names its cure.

The checks are pure functions of what was found; only ``main`` looks at the machine.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

GIB = 2**30
MIN_DISK = 1 * GIB  # a few checkpoints and a report
MIN_MEMORY = 1.5 * GIB  # training yolov5n at 320 px with batches of 16
REMAKE = 'make clean setup'
MAIN = (
    'torch', 'onedl-mmcv', 'onedl-mmengine', 'onedl-mmdetection', 'numpy', 'opencv-python-headless', 'albumentations',
    'pycocotools', 'faster-coco-eval', 'onnx', 'onnxruntime', 'supervision', 'matplotlib', 'rich',
)  # fmt: skip
# distributions that write the same import package: at most one of each group, and which
SAME_FILES = {
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-full', 'mmcv-lite'),
    'mmengine': ('onedl-mmengine', 'mmengine', 'mmengine-lite'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'cv2': (
        'opencv-python-headless', 'opencv-python', 'opencv-contrib-python', 'opencv-contrib-python-headless',
    ),
}  # fmt: skip
TORCH_PROBE = 'import torch; print((torch.ones(2, 3) @ torch.ones(3, 1)).flatten().tolist())'
# imports the compiled part; of the three boxes the second overlaps the first by .81
OPS_PROBE = (
    'import torch, mmcv._ext; from mmcv.ops import nms; '
    'boxes = torch.tensor([[0., 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]]); '
    'print(nms(boxes, torch.tensor([.9, .8, .7]), .5)[1].tolist())'
)
MMDET_PROBE = 'import mmdet.datasets, mmdet.models; print("loaded")'


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report; ``cure`` is empty where nothing is wrong."""

    subject: str
    detail: str
    cure: str = ''

    def __str__(self) -> str:
        line = f'{"WRONG" if self.cure else "ok":6}{self.subject}: {self.detail}'
        return f'{line}; cure: {self.cure}' if self.cure else line


def check_python(version: Sequence[int]) -> Finding:
    """``version`` as in sys.version_info: the lock is for Python 3.11."""
    text = '.'.join(str(part) for part in version[:3])
    if tuple(version[:2]) == (3, 11):
        return Finding('python', text)
    return Finding('python', f'{text}, the packages are locked for 3.11', f'{REMAKE} PYTHON=/path/to/python3.11')


def check_versions(installed: Mapping[str, str], pins: Mapping[str, str]) -> list[Finding]:
    """One finding for each main package, and for any other package that is missing or not as it is locked.

    Args:
        installed: normalised distribution name -> version; a local part (+cpu) does not count.
        pins: normalised name -> version of requirements/; a main package without pin must be there in some version.
    """
    findings = []
    for name in dict.fromkeys((*MAIN, *pins)):
        found, wanted = installed.get(name), pins.get(name)
        compiled = name in ('torch', 'onedl-mmcv')
        cure = REMAKE if compiled or not wanted else f'{sys.executable} -m pip install --no-deps {name}=={wanted}'
        if found is None:
            findings.append(Finding(name, 'not installed', cure))
        elif wanted and found.partition('+')[0] != wanted:
            findings.append(Finding(name, f'{found}, measured to work is {wanted}', cure))
        elif name in MAIN:
            findings.append(Finding(name, found))
    return findings


def check_duplicates(installed: Mapping[str, str]) -> list[Finding]:
    """Packages that overwrite each other's files: the originals beside the forks, two builds of OpenCV."""
    findings = []
    for module, (right, *others) in SAME_FILES.items():
        wrong = [name for name in others if name in installed]
        if wrong:
            what = f'{" and ".join(wrong)} writes over {right}' if right in installed else f'{wrong[0]}, not {right}'
            findings.append(Finding(f'import {module}', what, REMAKE))
        else:
            findings.append(Finding(f'import {module}', f'only {right} writes it'))
    return findings


def check_probe(subject: str, status: int, output: str, expected: str) -> Finding:
    """What a child process printed; a broken ABI ends in an exception or in a crash (status < 0)."""
    lines = output.strip().splitlines() or ['no output']
    if status == 0 and lines[-1] == expected:
        return Finding(subject, 'works')
    what = f'crashes (signal {-status})' if status < 0 else lines[-1]
    return Finding(subject, what, REMAKE)


def check_space(disk: int, memory: int) -> list[Finding]:
    """Free bytes of the disk of the working folder, and of memory."""
    disk_cure = f'free {MIN_DISK / GIB:.0f} GiB or set --work-dir to a larger disk'
    memory_cure = f'close programs until {MIN_MEMORY / GIB:.1f} GiB are free, or train with a smaller batch'
    return [
        Finding('free disk', f'{disk / GIB:.1f} GiB', disk_cure if disk < MIN_DISK else ''),
        Finding('free memory', f'{memory / GIB:.1f} GiB', memory_cure if memory < MIN_MEMORY else ''),
    ]


def read_pins(folder: Path) -> dict[str, str]:
    """Normalised name -> version of every ``name==version`` line of the .txt files in ``folder``."""
    lines = [line for path in sorted(folder.glob('*.txt')) for line in path.read_text().splitlines()]
    return {_normal(name): version for name, version in re.findall(r'^([\w.-]+)==(\S+)$', '\n'.join(lines), re.M)}


def main(argv: Sequence[str] | None = None) -> int:
    """Print all findings; returns 1 if any is wrong, else 0."""
    argparse.ArgumentParser(prog='doctor', description='Check the installation.').parse_args(argv)
    installed = {_normal(found.metadata['Name']): found.version for found in distributions()}
    pins = read_pins(Path(__file__).resolve().parents[2] / 'requirements')
    findings = [
        check_python(sys.version_info),
        *check_versions(installed, pins),
        *check_duplicates(installed),
        check_probe('torch operation', *_run_probe(TORCH_PROBE), expected='[3.0, 3.0]'),
        check_probe('mmcv operation', *_run_probe(OPS_PROBE), expected='[0, 2]'),
        check_probe('mmdet', *_run_probe(MMDET_PROBE), expected='loaded'),
        *check_space(shutil.disk_usage('.').free, _free_memory()),
    ]
    print(*findings, sep='\n')
    wrong = sum(bool(finding.cure) for finding in findings)
    print(f'{wrong} of {len(findings)} lines are wrong' if wrong else 'the installation is whole')
    return 1 if wrong else 0


def _normal(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def _run_probe(code: str) -> tuple[int, str]:
    child = subprocess.run(
        [sys.executable, '-c', code], text=True, errors='replace', stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return child.returncode, child.stdout


def _free_memory() -> int:
    """Bytes a program can still get, by psutil's definition; 0 without psutil, which check_versions reports."""
    code = 'import psutil; print(psutil.virtual_memory().available)'
    status, output = _run_probe(code)
    return int(output) if status == 0 else 0

"""The checks of ``detplug doctor``: pure functions from facts to findings, each wrong one with its cure."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

GIB = 2**30
MIN_DISK = 1 * GIB  # a few checkpoints and a report
MIN_MEMORY = 1.5 * GIB  # training yolov5n at 320 px with batches of 16
PIP = f'{sys.executable} -m pip'
# one of these is there only where [train] was installed; torch alone may be somebody else's
TRAINING = {'onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection', 'detplug-mmcv-ops'}
# distributions that write the same import package: at most one of each group, and which
SAME_FILES = {
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-full', 'mmcv-lite'),
    'mmengine': ('onedl-mmengine', 'mmengine', 'mmengine-lite'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'cv2': (
        'opencv-python-headless', 'opencv-python', 'opencv-contrib-python', 'opencv-contrib-python-headless',
    ),
}  # fmt: skip
PURE_MMCV = f'{PIP} install --no-deps --no-cache-dir --force-reinstall --no-binary onedl-mmcv onedl-mmcv'
# what a probe printed -> its cure, tried in this order; {torch} is a hint for the site of PyTorch
CURES = (
    (r'libGL', f'{PIP} uninstall -y opencv-python && {PIP} install --force-reinstall --no-deps opencv-python-headless'),
    (r"No module named 'mmcv\._ext'", f'{PIP} install --no-deps detplug-mmcv-ops (in a checkout: make setup)'),
    (r'implementation for device|_ext\S*\.so|undefined symbol', f'{PURE_MMCV} (in a checkout: make setup OPS=torch)'),
    (r'no kernel image|not compiled with CUDA|CUDA capability|driver', 'install the torch build that the site of '
     'PyTorch names for this card and its driver, or hide the card: CUDA_VISIBLE_DEVICES='),
    (r'out of memory', 'stop the program that fills this device, or choose another one: CUDA_VISIBLE_DEVICES='),
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``cure`` is empty where nothing is wrong, ``absent`` marks what nobody has to have."""

    subject: str
    detail: str
    cure: str = ''
    absent: bool = False

    def __str__(self) -> str:
        mark = 'WRONG' if self.cure else '-' if self.absent else 'ok'
        line = f'{mark:6}{self.subject}: {self.detail}'
        return f'{line}; cure: {self.cure}' if self.cure else line


def check_python(version: Sequence[int], accepted: str) -> Finding:
    """``version`` as in sys.version_info against the specifier of detplug's metadata (>=3.11,<3.14)."""
    text = '.'.join(str(part) for part in version[:3])
    if SpecifierSet(accepted).contains(text):
        return Finding('python', text)
    return Finding('python', f'{text}, detplug needs {accepted}', 'install it into an environment of such a Python')


def check_base(installed: Mapping[str, str], requires: Iterable[str]) -> list[Finding]:
    """A finding for each package that every installation needs.

    Args:
        installed: normalised distribution name -> version; a local part (+cpu) does not count.
        requires: the requirements of detplug's metadata, those of its extras included.
    """
    return [_check_range(wanted, installed, 'detplug') for wanted in _of_extra(requires, '')]


def check_extra(extra: str, installed: Mapping[str, str], requires: Iterable[str]) -> list[Finding]:
    """Of [train]: a finding for each package, or one that says it is not installed. Of another extra: one in all.

    Args:
        installed, requires: as in :func:`check_base`.
    """
    wanted = _of_extra(requires, extra)
    missing = [x.name for x in wanted if canonicalize_name(x.name) not in installed]
    subject, install = {'train': 'training'}.get(extra, extra), f"pip install 'detplug[{extra}]'"
    if extra == 'train' and TRAINING & installed.keys():
        return [_check_range(x, installed, 'detplug[train]') for x in wanted]
    if extra == 'train' or len(missing) == len(wanted):
        return [Finding(subject, f'not installed; {install}', absent=True)]
    if missing:
        return [Finding(subject, f'not complete, without {", ".join(missing)}; {install}', absent=True)]
    findings = [_check_range(x, installed, f'detplug[{extra}]') for x in wanted]
    return [x for x in findings if x.cure] or [Finding(subject, 'installed')]


def _of_extra(requires: Iterable[str], extra: str) -> list[Requirement]:
    """The requirements that ``extra`` adds; '' for those of every installation."""
    parsed = [Requirement(text) for text in requires]
    always = [x for x in parsed if x.marker is None or x.marker.evaluate({'extra': ''})]
    return [x for x in parsed if x not in always and x.marker.evaluate({'extra': extra})] if extra else always


def _check_range(wanted: Requirement, installed: Mapping[str, str], asked_by: str) -> Finding:
    name = canonicalize_name(wanted.name)
    version = installed.get(name)
    cure = f"{PIP} install '{wanted.name}{wanted.specifier}'"
    if version is None:
        return Finding(name, 'not installed', f'{cure} (in a checkout: make clean setup)')
    if wanted.specifier.contains(version, prereleases=True):
        return Finding(name, version)
    return Finding(name, f'{version}, {asked_by} needs {wanted.specifier}', cure)


def check_pins(installed: Mapping[str, str], pins: Mapping[str, str]) -> list[Finding]:
    """In the environment of ``make setup``: a finding for each package that is missing or not as it is locked.

    Args:
        installed: as in :func:`check_base`.
        pins: normalised name -> version of requirements/. Another torch of the accepted range is as good.
    """
    findings = []
    for name, wanted in pins.items():
        version = installed.get(name)
        if version is None or (name != 'torch' and version.partition('+')[0] != wanted):
            remake = name in ('torch', 'onedl-mmcv')
            cure = 'make clean setup' if remake else f'{PIP} install --no-deps {name}=={wanted}'
            what = 'not installed' if version is None else f'{version}, measured to work is {wanted}'
            findings.append(Finding(name, what, cure))
    return findings


def check_duplicates(installed: Mapping[str, str]) -> list[Finding]:
    """Packages that overwrite each other's files: the originals beside the forks, two builds of OpenCV."""
    findings = []
    for module, (right, *others) in SAME_FILES.items():
        wrong = [name for name in others if name in installed]
        if wrong:
            what = f'{" and ".join(wrong)} writes over {right}' if right in installed else f'{wrong[0]}, not {right}'
            again = f'{right}=={installed[right]}' if right in installed else right
            cure = f'{PIP} uninstall -y {" ".join(wrong)} && {PIP} install --force-reinstall --no-deps {again}'
            findings.append(Finding(f'import {module}', what, cure))
        elif right in installed:
            findings.append(Finding(f'import {module}', f'only {right} writes it'))
    return findings


def check_probe(subject: str, status: int, output: str, expected: str) -> Finding:
    """What a child process printed, in its last line ``ANSWER | note``.

    A broken ABI ends in an exception or in a crash (``status`` < 0).
    """
    lines = output.strip().splitlines() or ['no output']
    answer, _, note = lines[-1].partition(' | ')
    if status == 0 and answer == expected:
        return Finding(subject, f'works, {note}' if note else 'works')
    cures = (cure for pattern, cure in CURES if re.search(pattern, output, re.IGNORECASE))
    what = f'crashes (signal {-status})' if status < 0 else lines[-1]
    return Finding(subject, what, next(cures, 'make a new environment (in a checkout: make clean setup)'))


def check_space(disk: int, memory: int | None) -> list[Finding]:
    """Free bytes of the disk of the working folder, and of memory (None: not known)."""
    disk_cure = f'free {MIN_DISK / GIB:.0f} GiB or name a folder on a larger disk'
    findings = [Finding('free disk', f'{disk / GIB:.1f} GiB', disk_cure if disk < MIN_DISK else '')]
    if memory is not None:
        cure = f'close programs until {MIN_MEMORY / GIB:.1f} GiB are free, or train with a smaller batch'
        findings.append(Finding('free memory', f'{memory / GIB:.1f} GiB', cure if memory < MIN_MEMORY else ''))
    return findings

#!/usr/bin/env python
"""Ask the package index whether every package of requirements/ is there for every Python: `make lock`.

Nothing is installed. Whether the lock is complete and its versions accept one another is what
tests/setup/test_requirements.py checks.
"""

import subprocess
import sys
from pathlib import Path

from set_up.supported import PYTHONS

REQUIREMENTS = Path(__file__).resolve().parents[1] / 'requirements'
# sources only: built at the set-up, for any Python
SOURCES = ('onedl-mmcv', 'onedl-mmdetection')


def lines() -> list[str]:
    """All pins, but for those of SOURCES."""
    files = [REQUIREMENTS / name for name in ('torch.txt', 'lock.txt', 'compile.txt', 'docs.txt')]
    pins = [line for path in files for line in path.read_text().splitlines() if '==' in line and line[0] != '#']
    return [pin for pin in pins if pin.partition('==')[0] not in SOURCES]


def missing(python: str) -> str:
    """What pip says of a package that has no wheel for ``python`` ('3.13') on this platform; '' for none."""
    command = [sys.executable, '-m', 'pip', 'install', '--dry-run', '--quiet', '--no-deps', '--ignore-installed']
    options = ['--target', 'unused', '--only-binary', ':all:', '--python-version', python]
    asked = subprocess.run([*command, *options, *lines()], capture_output=True, text=True)
    said = [line for line in asked.stderr.splitlines() if line.startswith('ERROR')] or [asked.stderr]
    return said[-1] if asked.returncode else ''


def main() -> int:
    """Print a line for each Python; returns 1 if a package is missing, else 0."""
    wanted = sys.argv[1:] or ['{}.{}'.format(*python) for python in PYTHONS]
    said = {python: missing(python) for python in wanted}
    for python, line in said.items():
        print(f'Python {python}: ' + (line or f'{len(lines())} packages are there'))
    return 1 if any(said.values()) else 0


if __name__ == '__main__':
    sys.exit(main())

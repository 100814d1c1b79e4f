"""The lock is exact, complete and free of what must not be installed."""

import re
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools.set_up.supported import PYTHONS

REQUIREMENTS = Path(__file__).resolve().parents[2] / 'requirements'
# asked for by the metadata of a locked package; why each is left out stands in requirements/lock.txt
LEFT_OUT = {'opencv-python', 'imagecorruptions-imaug', 'torchvision', 'aiohttp', 'scapy'}
BROUGHT_BY_TORCH = ('nvidia-', 'cuda-', 'triton')  # its CUDA build pins them itself


# of `make setup OPS=compiled`, of single benchmarks, of `make docs`
NOT_OF_SETUP = ('compile.txt', 'benchmarks.txt', 'docs.txt')


def pins(*more: str) -> dict[str, str]:
    files = [path for path in REQUIREMENTS.glob('*.txt') if path.name not in set(NOT_OF_SETUP) - set(more)]
    lines = [line for path in files for line in path.read_text().splitlines()]
    named = [line for line in lines if line and not line.startswith('#')]
    assert all(re.fullmatch(r'[\w.-]+==[\w.]+', line) for line in named)  # exact; no local version, no hash
    names = [canonicalize_name(line.partition('==')[0]) for line in named]
    assert len(names) == len(set(names))
    return dict(zip(names, (line.partition('==')[2] for line in named), strict=True))


def test_nothing_that_overwrites_or_taints_is_locked():
    originals = {'mmcv', 'mmengine', 'mmdet', 'opencv-contrib-python', 'opencv-contrib-python-headless'}
    assert not (LEFT_OUT | originals | {'ultralytics', 'mmyolo'}) & set(pins())


def environment(python: tuple[int, int]) -> dict[str, str]:
    """For the markers of a requirement that nobody's extra brought."""
    version = '{}.{}'.format(*python)
    return {'extra': '', 'python_version': version, 'python_full_version': f'{version}.0'}


@pytest.mark.parametrize('name', sorted(pins()))
def test_all_that_a_locked_package_asks_for_is_locked_in_a_version_it_accepts(name):
    check_locked(name, pins())


def test_docs_txt_and_the_lock_together_are_complete():
    pytest.importorskip(
        'mkdocs', reason='mkdocs is not installed: its packages are not checked against the lock; run make docs'
    )
    for name in sorted(set(pins('docs.txt')) - set(pins())):
        check_locked(name, pins('docs.txt'))


def check_locked(name: str, locked: dict[str, str]) -> None:
    try:
        asked = [Requirement(text) for text in requires(name) or []]
        accepted = SpecifierSet(metadata(name).get('Requires-Python', ''))
    except PackageNotFoundError:
        pytest.fail(f'{name} is locked but not installed; run make setup')
    for python in PYTHONS:
        assert accepted.contains('{}.{}.0'.format(*python)), f'{name} does not take Python {python}'
        for requirement in asked:
            needed = canonicalize_name(requirement.name)
            applies = requirement.marker is None or requirement.marker.evaluate(environment(python))
            if applies and needed not in LEFT_OUT and not needed.startswith(BROUGHT_BY_TORCH):
                assert needed in locked, f'{name} asks for {requirement}'
                fits = requirement.specifier.contains(locked[needed], prereleases=True)
                assert fits, f'{name} asks for {requirement}'


@pytest.mark.parametrize('extra', ['', 'train', 'dev', 'fpga', 'slides', 'review', 'docs'])
def test_all_that_the_project_asks_for_is_locked_in_a_version_it_accepts(extra):
    locked = pins('docs.txt')
    for requirement in map(Requirement, requires('detplug')):
        applies = requirement.marker is None or requirement.marker.evaluate({'extra': extra})
        if applies and canonicalize_name(requirement.name) != 'detplug-mmcv-ops':  # of this project: mmcv_ops/
            assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement

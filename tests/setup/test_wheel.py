"""The wheel away from the checkout: in an environment that has what its metadata asks for and nothing else."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tiny_bundle import write_bundle, write_pictures

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ('detplug', 'plugins', 'configs', 'setup.cfg', 'setup.py', 'pyproject.toml', 'README.md', 'LICENSE')
ASK_CONFIGS = """
from importlib.util import find_spec
from mmengine.config import Config
from detplug.config_files import configs_folder
from detplug.shadowed import check_plugins
check_plugins()
for folder in ('openset', 'sabra', 'tt_yolov5', 'yolov5'):
    path = sorted((configs_folder() / folder).glob('*.py'))[0]
    print(Config.fromfile(path, import_custom_modules=False).model.type)  # with all its _base_ files
print(configs_folder())
print(find_spec('plugins').submodule_search_locations[0])
"""


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that no earlier build/ gets in, without network."""
    folder = tmp_path_factory.mktemp('wheel')
    for name in SOURCES:
        source, target = ROOT / name, folder / 'source' / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns('__pycache__'))
        else:
            shutil.copyfile(source, target)
    words = ['wheel', '-q', '--no-build-isolation', '--no-deps', '--no-index', '-w', str(folder), './source']
    pip(*words, cwd=folder)
    return next(folder.glob('detplug-*.whl'))


@pytest.fixture(scope='module')
def venv(wheel, tmp_path_factory) -> Path:
    """An environment with the wheel, and links to what its base requirements need, out of the environment of tests."""
    folder = tmp_path_factory.mktemp('venv')
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', str(folder)], check=True)
    pip('--python', str(folder / 'bin' / 'python'), 'install', '-q', '--no-deps', '--no-index', str(wheel), cwd=folder)
    links = folder / 'links'
    links.mkdir()
    site = next(folder.glob('lib/python*/site-packages'))
    for name in base_requirements(site):
        for file in distribution(name).files:
            if file.parts[0] != '..' and not (links / file.parts[0]).exists():
                (links / file.parts[0]).symlink_to(distribution(name).locate_file(file.parts[0]))
    (site / 'links.pth').write_text(f'{links}\n')
    return folder


def pip(*words: str, cwd: Path) -> None:
    done = subprocess.run([sys.executable, '-m', 'pip', *words], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def base_requirements(site: Path) -> set[str]:
    """Names of all that ``pip install detplug`` brings, with what those need."""
    metadata = next(site.glob('detplug-*.dist-info')) / 'METADATA'
    asked = [
        line.partition(': ')[2] for line in metadata.read_text().splitlines() if line.startswith('Requires-Dist: ')
    ]
    names: set[str] = set()
    while asked:
        requirement = Requirement(asked.pop())
        if (not requirement.marker or requirement.marker.evaluate({'extra': ''})) and requirement.name not in names:
            names.add(requirement.name)
            asked += distribution(requirement.name).requires or []
    return names


def run(python: Path, folder: Path, *words, path: str = '') -> subprocess.CompletedProcess:
    """A command in an empty folder, with no variable that would lead back to the checkout."""
    folder.mkdir(exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith('PYTHON')} | {'PYTHONPATH': path}
    return subprocess.run([str(python), *map(str, words)], capture_output=True, text=True, cwd=folder, env=env)


def test_the_wheel_holds_every_config_and_font(wheel):
    files = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith('/')}
    for inside, folder in (('detplug/configs', 'configs'), ('detplug', 'detplug'), ('plugins', 'plugins')):
        here = [x for x in (ROOT / folder).rglob('*') if x.is_file() and '__pycache__' not in x.parts]
        wanted = {f'{inside}/{x.relative_to(ROOT / folder).as_posix()}' for x in here}
        if folder == 'plugins':  # a README of a plugin is for readers of its source
            wanted = {name for name in wanted if not name.endswith('.md')}
        assert wanted and wanted <= files
    shipped = {name for name in files if name.startswith('detplug/configs/')}
    assert shipped == {f'detplug/configs/{x.relative_to(ROOT / "configs").as_posix()}' for x in tracked_configs()}


def tracked_configs() -> list[Path]:
    return [x for x in (ROOT / 'configs').rglob('*') if x.is_file() and '__pycache__' not in x.parts]


def test_the_base_install_is_light(venv):
    names = base_requirements(next(venv.glob('lib/python*/site-packages')))
    assert {'numpy', 'onnxruntime', 'opencv-python-headless'} <= names
    assert not {'torch', 'scipy', 'matplotlib', 'onnx', 'opencv-python', 'sympy'} & names
    assert len(names) <= 17, names  # the last: PyYAML and defusedxml, which read annotations
    done = run(venv / 'bin' / 'python', venv / 'empty', '-c', 'import torch')
    assert done.returncode and 'ModuleNotFoundError' in done.stderr


def test_commands_run_from_an_empty_folder(venv, tmp_path):
    command, folder = venv / 'bin' / 'detplug', tmp_path / 'empty'
    done = run(command, folder, '--version')
    assert (done.returncode, done.stdout) == (0, 'detplug 0.1.0\n'), done.stderr
    pictures = write_pictures(tmp_path / 'pictures')
    done = run(command, folder, 'predict', write_bundle(tmp_path / 'bundle'), *pictures, '--out', 'out')
    assert done.returncode == 0, done.stderr
    rows = json.loads((folder / 'out' / 'predictions.json').read_text())
    assert [row['category_name'] for row in rows] == ['egg', 'Würmer', 'egg', 'egg']
    for words in (['train', 'x'], ['demo'], ['prepare_data', 'bccd', 'x', '--out', 'y']):
        done = run(command, folder, *words)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        assert "pip install 'detplug[train]'" in done.stderr


def test_with_the_packages_of_training_its_configs_and_plugins_are_the_wheels(venv, tmp_path):
    site = next(venv.glob('lib/python*/site-packages'))
    done = run(Path(sys.executable), tmp_path / 'empty', '-c', ASK_CONFIGS, path=str(site))
    assert done.returncode == 0, done.stderr
    *models, configs, plugins = done.stdout.splitlines()
    assert len(models) == 4 and Path(configs) == site / 'detplug' / 'configs' and Path(plugins) == site / 'plugins'

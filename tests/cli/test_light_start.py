"""The torch-free half starts without torch, mmengine, mmcv and mmdet, installed or not, and without what is slow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_bundle import write_bundle, write_pictures

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ('torch', 'mmengine', 'mmdet', 'mmcv', 'scipy', 'matplotlib', 'albumentations', 'onnx')
CHILD = """
import sys
heavy, forbid, *words = sys.argv[1:]
heavy = heavy.split(',')

class Absent:
    def find_spec(name, path=None, target=None):
        if name in heavy:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

if forbid == 'forbid':
    sys.meta_path.insert(0, Absent)
from detplug.cli.main import main
try:
    status = main(words)
except SystemExit as end:
    status = end.code or 0
light = 'onnxruntime' not in sys.modules and ('cv2' not in sys.modules or words[0] == 'predict')
fields = 'commands result_fields frame_styles relation_field relation_drawing inference fuse'.split()  # light
loaded = [
    name for name in sys.modules
    if name in heavy or name.startswith('plugins.') and name.count('.') > 1 and name.rpartition('.')[2] not in fields
]
print('loaded:', *loaded, 'light' if light else 'with onnxruntime')
sys.exit(status)
"""


def child(*words, forbid: bool) -> subprocess.CompletedProcess:
    """A process of its own that runs ``detplug WORDS`` from this checkout and prints what it loaded."""
    argv = [sys.executable, '-c', CHILD, ','.join(HEAVY), 'forbid' if forbid else '', *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize('forbid', [True, False], ids=['absent', 'installed'])
@pytest.mark.parametrize('words', ['', '--help', '--version', 'doctor --help'])
def test_help_and_version_load_nothing(words, forbid):
    done = child(*words.split(), forbid=forbid)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ['loaded:', 'light']


@pytest.mark.parametrize('forbid', [True, False], ids=['absent', 'installed'])
def test_help_of_predict_has_the_options_of_plugins_and_loads_nothing_heavy(forbid):
    done = child('predict', '--help', forbid=forbid)
    assert done.returncode == 0, done.stderr
    assert '--relation-thr' in done.stdout
    assert done.stdout.splitlines()[-1].split() == ['loaded:', 'light']


@pytest.mark.parametrize('forbid', [True, False], ids=['absent', 'installed'])
def test_a_bundle_predicts_without_torch(forbid, tmp_path):
    pictures = write_pictures(tmp_path / 'pictures')
    done = child('predict', write_bundle(tmp_path / 'bundle'), *pictures, '--out', tmp_path / 'out', forbid=forbid)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ['loaded:', 'with', 'onnxruntime']
    assert (tmp_path / 'out' / 'predictions.json').exists()


def test_relations_between_given_boxes_need_no_torch(tmp_path):
    """A person on a skateboard."""
    picture = write_pictures(tmp_path / 'pictures')[0]  # 48 x 64 px
    rows = ('person,0.95,10,5,30,50', 'skateboard,0.9,8,46,34,56')
    boxes = tmp_path / 'boxes.csv'
    boxes.write_text('\n'.join(['image,class,score,x1,y1,x2,y2', *(f'{picture.name},{row}' for row in rows)]))
    done = child('predict', 'vcoco-relations', picture, '--boxes', boxes, '--out', tmp_path / 'out', forbid=True)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.splitlines()[-1].split())
    best = json.loads((tmp_path / 'out' / 'relations.json').read_text())[0]
    assert best['predicate'] in ('skateboard instr', 'stand') and best['score'] > 0.3
    assert (tmp_path / 'out' / 'pictures' / '0001_bright.jpg').exists()


@pytest.mark.parametrize('words', ['train x', 'predict pyproject.toml last.pth README.md --out x', 'demo'])
def test_what_needs_torch_says_so_in_one_line(words):
    done = child(*words.split(), forbid=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "pip install 'detplug[train]'" in done.stderr


def test_the_package_runs_as_a_module():
    command = [sys.executable, '-m', 'detplug']
    assert 'blood-cells' in subprocess.run([*command, 'models'], check=True, capture_output=True, text=True).stdout
    wrong = subprocess.run([*command, 'nonsense'], capture_output=True, text=True)
    assert wrong.returncode == 2 and 'nonsense: no such command' in wrong.stderr

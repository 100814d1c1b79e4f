"""docs/own_detector.md says what the code does: its table is read, its options exist, its configs build."""

import inspect
import re
from pathlib import Path

from detplug.cli.predict import make_parser
from detplug.engine.quiet import quiet_imports
from plugins.sabra.detections import open_detections
from plugins.sabra.detections.csv_rows import COLUMNS
from plugins.sabra.detections.npz_folder import FEATURES, NEEDED
from plugins.sabra.transforms import FileProposals

with quiet_imports():
    from mmdet.registry import MODELS
    from mmengine.config import Config

PAGE = (Path(__file__).resolve().parents[3] / 'docs/own_detector.md').read_text()
HEAD = "dict(type='RelationHead', visual=dict(type='BoxFeatures', channels=256), ...)"


def test_its_table_is_read(tmp_path):
    (tmp_path / 'boxes.csv').write_text(re.search(r'```csv\n(.*?)```', PAGE, re.DOTALL)[1])
    detections = open_detections(tmp_path / 'boxes.csv')
    assert detections.of('a.jpg', 0, ('person', 'cup')).labels.tolist() == [0, 1]
    assert len(detections.of('b.jpg', 0, ('person', 'cup')).boxes) == 0


def test_its_options_and_arrays_exist():
    options = set(re.findall(r'^\| `(\w+)=', PAGE, re.MULTILINE))
    assert len(options) == 5 and options <= set(inspect.signature(FileProposals).parameters)
    assert ','.join(COLUMNS[:2]) in PAGE and all(f'`{name}`' in PAGE for name in NEEDED + FEATURES)
    assert '--boxes' in make_parser().format_help() and '--boxes FILE' in PAGE


def test_its_config_builds(tmp_path):
    text = next(block for block in re.findall(r'```python\n(.*?)```', PAGE, re.DOTALL) if '_base_' in block)
    assert HEAD in text
    small = "sampler=dict(type='UniformSampler'), predicates=3, object_kinds=[0] + [1] * 79)"
    (tmp_path / 'config.py').write_text(text.replace('...)', small))
    net = MODELS.build(Config.fromfile(tmp_path / 'config.py').model)
    assert type(net.adapter).__name__ == 'QueryAdapter' and net.relation_head.pooling.channels == 256

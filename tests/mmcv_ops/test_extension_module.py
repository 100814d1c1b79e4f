"""The one file in mmcv: every name exists, what is not there raises one line, and a compiled extension wins."""

import importlib.machinery
import re
from pathlib import Path

import mmcv.ops
import pytest
import torch

pytest.importorskip('detplug_mmcv_ops', reason='the operators in plain torch are not installed')
import mmcv._ext as loaded  # noqa: E402
from detplug_mmcv_ops.box_overlaps import bbox_overlaps  # noqa: E402
from detplug_mmcv_ops.unavailable import unavailable  # noqa: E402

SOURCES = Path(mmcv.ops.__file__).parent.glob('*.py')
NAMES = {
    name
    for source in SOURCES
    for call in re.findall(r"load_ext\(\s*'_ext',\s*\[(.*?)\]", source.read_text(), re.S)
    for name in re.findall(r"'(\w+)'", call)
}
plain = pytest.mark.skipif(not loaded.__file__.endswith('.py'), reason='the compiled mmcv._ext is in place')


@plain
def test_every_operator_works_or_raises_one_line():
    missing = NAMES - set(loaded.__all__)
    assert len(NAMES) > 80 and set(loaded.__all__) <= NAMES
    for name in missing:
        with pytest.raises(NotImplementedError) as error:
            getattr(loaded, name)(torch.zeros(1), word=2)
        assert name in str(error.value) and 'OPS=compiled' in str(error.value) and '\n' not in str(error.value)


@plain
def test_a_user_of_a_missing_operator_reads_the_line():
    with pytest.raises(NotImplementedError, match='nms_rotated .*make setup OPS=compiled'):
        mmcv.ops.nms_rotated(torch.rand(3, 5), torch.rand(3), 0.5)


@plain
def test_the_report_of_the_environment_says_which_operators():
    assert 'plain torch' in mmcv.ops.get_compiler_version()


def test_attributes_that_are_no_operators_are_missing():
    with pytest.raises(AttributeError, match='__wrapped__'):
        unavailable('__wrapped__')


def test_a_compiled_extension_in_the_folder_is_found_first(tmp_path):
    (tmp_path / '_ext.py').touch()
    compiled = tmp_path / f'_ext{importlib.machinery.EXTENSION_SUFFIXES[0]}'
    compiled.touch()
    assert importlib.machinery.PathFinder.find_spec('_ext', [str(tmp_path)]).origin == str(compiled)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('mode', [0, 1])
def test_overlaps_equal_counted_cells(mode, offset):
    boxes = torch.tensor([[0, 0, 4, 3], [2, 1, 6, 5], [5, 5, 8, 8], [3, 0, 4, 9]])
    cells = torch.zeros(4, 12, 12, dtype=torch.bool)
    for plane, (x1, y1, x2, y2) in zip(cells, boxes.tolist(), strict=True):
        plane[y1 : y2 + offset, x1 : x2 + offset] = True
    inner = (cells[:, None] & cells).sum((2, 3))
    expected = inner / ((cells[:, None] | cells).sum((2, 3)) if mode == 0 else cells.sum((1, 2))[:, None])
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        found = torch.zeros(4, 4, dtype=dtype)
        bbox_overlaps(boxes.to(dtype), boxes.to(dtype), found, mode, False, offset)
        assert torch.equal(found, expected.to(dtype))
        pairs = torch.zeros(4, dtype=dtype)
        bbox_overlaps(boxes.to(dtype), boxes.roll(1, 0).to(dtype), pairs, mode, True, offset)
        assert torch.equal(pairs, expected[range(4), [3, 0, 1, 2]].to(dtype))

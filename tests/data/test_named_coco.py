"""Labels go by name, also where masks or segmentation maps are read; mmdet's own go by the order of the file."""

import json

import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmdet.registry import TRANSFORMS

from detplug.data.coco import CheckedCocoDataset
from detplug.data.dataset_config import innermost_datasets, names_of
from detplug.data.named_coco import NamedCocoDataset
from detplug.errors import UserError

CLASSES = ('cat', 'dog')


def write(folder, order=CLASSES, segmentation=((4, 4, 20, 4, 20, 24),)) -> dict:
    """Arguments of a data set of one image with a cat and a dog."""
    ids = {name: 5 + i for i, name in enumerate(order)}
    boxes = [
        dict(
            id=i,
            image_id=1,
            category_id=ids.get(name, 5),
            bbox=[4, 4, 16, 20],
            area=320,
            iscrowd=0,
            segmentation=segmentation,
        )
        for i, name in enumerate(CLASSES, 1)
    ]
    data = dict(
        images=[dict(id=1, file_name='1.png', width=64, height=48)],
        annotations=boxes,
        categories=[dict(id=number, name=name) for name, number in ids.items()],
    )
    (folder / 'a.json').write_text(json.dumps(data))
    return dict(ann_file=str(folder / 'a.json'), data_prefix=dict(img=''), metainfo=dict(classes=CLASSES), pipeline=[])


@pytest.mark.parametrize('order', [CLASSES, CLASSES[::-1], ('emu', 'dog', 'cat')], ids=str)
def test_labels_go_by_name_in_both_data_sets(order, tmp_path, capsys):
    arguments = write(tmp_path, order)
    named = NamedCocoDataset(**arguments)
    assert [x['bbox_label'] for x in named[0]['instances']] == [0, 1]
    stock = [x['bbox_label'] for x in CocoDataset(**arguments)[0]['instances']]
    assert stock == ([0, 1] if order == CLASSES else [1, 0]), 'mmdet goes by the order of the file'
    assert ('a.json: left out, in no list of classes: emu' in capsys.readouterr().out) is ('emu' in order)
    if 'emu' in order:
        with pytest.raises(UserError, match="'emu'"):
            CheckedCocoDataset(**arguments)
    else:
        assert [x['bbox_label'] for x in CheckedCocoDataset(**arguments)[0]['instances']] == [0, 1]


def test_a_class_that_the_file_does_not_have_is_one_line(tmp_path):
    with pytest.raises(UserError, match="a.json: classes: not in the annotations: 'dog' .did you mean 'dogs'") as error:
        NamedCocoDataset(**write(tmp_path, ('cat', 'dogs')))
    assert '\n' not in str(error.value)


def test_checked_masks_are_those_of_the_stock_data_set(tmp_path):
    arguments = write(tmp_path)
    step = TRANSFORMS.build(dict(type='LoadAnnotations', with_bbox=True, with_mask=True))
    own, stock = CheckedCocoDataset(with_masks=True, **arguments)[0], CocoDataset(**arguments)[0]
    found, wanted = (step(dict(item, ori_shape=(48, 64))) for item in (own, stock))
    masks = found['gt_masks'].to_ndarray()
    assert masks.sum() > 0 and np.array_equal(masks, wanted['gt_masks'].to_ndarray())
    assert 'mask' not in CheckedCocoDataset(**arguments)[0]['instances'][0]


def test_a_mask_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r'annotations\[0\].segmentation: None is no mask; a config with with_mask'):
        CheckedCocoDataset(with_masks=True, **write(tmp_path, segmentation=None))


def test_configs_of_wrapped_data_sets():
    plain, other = dict(type='CocoDataset'), dict(type='CocoDataset', metainfo=dict(classes=('cat',)))
    wrapped = dict(type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[plain, dict(dataset=other)]))
    assert list(innermost_datasets(wrapped)) == [plain, other]
    assert names_of(wrapped) == CocoDataset.METAINFO['classes'] and names_of(other) == ('cat',)
    assert names_of(dict(type='BaseDetDataset')) == () and names_of(wrapped, 'predicates') == ()


@pytest.mark.parametrize('field', ['classes', 'predicates'])
def test_a_bare_name_in_a_config_is_the_line_that_the_data_sets_give(field):
    with pytest.raises(UserError, match=rf"a.json: {field}: 'cat' is not a tuple of names; write \('cat',\)"):
        names_of(dict(type='CocoDataset', ann_file='a.json', metainfo={field: 'cat'}), field)

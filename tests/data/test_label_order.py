"""A data set of mmdet's own whose labels follow the order of the file is refused; one that follows the names passes."""

import json

import numpy as np
import pytest
from mmdet.datasets import CocoDataset
from mmdet.registry import TRANSFORMS
from mmengine.dataset import ConcatDataset, RepeatDataset

from detplug.data.coco import CheckedCocoDataset
from detplug.data.dataset_config import innermost_datasets, names_of
from detplug.data.label_order import check_label_order
from detplug.errors import UserError

CLASSES = ('cat', 'dog')


def write(folder, order=CLASSES, segmentation=((4, 4, 20, 4, 20, 24),)) -> dict:
    """Arguments of a data set of one image with a cat and a dog."""
    ids = {name: 5 + i for i, name in enumerate(order)}
    boxes = [
        dict(id=i, image_id=1, category_id=ids[name], bbox=[4, 4, 16, 20], area=320, iscrowd=0, segmentation=segmentation)
        for i, name in enumerate(CLASSES, 1)
    ]
    data = dict(
        images=[dict(id=1, file_name='1.png', width=64, height=48)],
        annotations=boxes,
        categories=[dict(id=number, name=name) for name, number in ids.items()],
    )
    (folder / 'a.json').write_text(json.dumps(data))
    return dict(ann_file=str(folder / 'a.json'), data_prefix=dict(img=''), metainfo=dict(classes=CLASSES), pipeline=[])


@pytest.mark.parametrize('wrap', [lambda x: x, lambda x: RepeatDataset(x, 2), lambda x: ConcatDataset([x, x])])
def test_stock_data_sets_are_refused_where_labels_are_swapped(wrap, tmp_path):
    check_label_order(wrap(CocoDataset(**write(tmp_path))))
    with pytest.raises(UserError, match="a.json: categories: CocoDataset gives 'dog' the label 0 of 'cat'") as error:
        check_label_order(wrap(CocoDataset(**write(tmp_path, CLASSES[::-1]))))
    assert '\n' not in str(error.value)


def test_checked_masks_are_those_of_the_stock_data_set(tmp_path):
    arguments = write(tmp_path, CLASSES[::-1])
    step = TRANSFORMS.build(dict(type='LoadAnnotations', with_bbox=True, with_mask=True))
    own, stock = CheckedCocoDataset(with_masks=True, **arguments)[0], CocoDataset(**arguments)[0]
    found, wanted = step(own), step(stock)
    assert found['gt_bboxes_labels'].tolist() == [0, 1] and wanted['gt_bboxes_labels'].tolist() == [1, 0]
    masks = found['gt_masks'].to_ndarray()
    assert masks.sum() > 0 and np.array_equal(masks, wanted['gt_masks'].to_ndarray())
    assert 'mask' not in CheckedCocoDataset(**arguments)[0]['instances'][0]


def test_a_mask_that_is_missing_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r'annotations\[0\].segmentation: None is no mask; a config with with_mask'):
        CheckedCocoDataset(with_masks=True, **write(tmp_path, segmentation=None))


def test_configs_of_wrapped_data_sets():
    plain, other = dict(type='CocoDataset'), dict(type='CocoDataset', metainfo=dict(classes='cat'))
    wrapped = dict(type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[plain, dict(dataset=other)]))
    assert list(innermost_datasets(wrapped)) == [plain, other]
    assert names_of(wrapped) == CocoDataset.METAINFO['classes'] and names_of(other) == ('cat',)
    assert names_of(dict(type='BaseDetDataset')) == () and names_of(wrapped, 'predicates') == ()

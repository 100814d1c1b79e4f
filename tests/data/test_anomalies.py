"""What reading a data set found odd is counted alike by every reader, in every wrapper, and written to a file."""

import csv
import io

import pytest
from tiny_sets import NAMES, coco_content, write_coco, write_voc
from torch.utils.data import ConcatDataset

from detplug.data import CheckedCocoDataset, CheckedVocDataset, MixDataset, NamedCocoDataset
from detplug.data.anomalies import COLUMNS, AnnotationAudit, anomalies_text, audits_of
from detplug.errors import UserError

# xyxy of four boxes in a picture of 48x32 px: whole, without width, outside, and whole
BOXES = [(2, 3, 12, 11), (5, 5, 5, 9), (60, 3, 70, 9), (4, 4, 20, 20)]


def coco(folder, kind=CheckedCocoDataset, **kwargs):
    content = coco_content()
    content['annotations'] = [
        dict(id=i, image_id=0, category_id=1, bbox=[x1, y1, x2 - x1, y2 - y1], area=80, iscrowd=0)
        for i, (x1, y1, x2, y2) in enumerate(BOXES)
    ]
    write_coco(folder, content)
    kwargs = dict(data_prefix=dict(img='img'), metainfo=dict(classes=NAMES)) | kwargs
    return kind(data_root=str(folder), ann_file='ann.json', **kwargs)


def voc(folder):
    """xmin and ymin of VOC count from 1."""
    write_voc(folder, {'0': [('worm', x1 + (x2 > x1), y1 + (y2 > y1), x2, y2) for x1, y1, x2, y2 in BOXES], '1': []})
    return CheckedVocDataset(data_root=str(folder), metainfo=dict(classes=('worm',)))


@pytest.mark.parametrize(
    'build', [coco, voc, lambda folder: coco(folder, NamedCocoDataset)], ids=['coco', 'voc', 'named']
)
def test_every_reader_counts_alike(tmp_path, build):
    audit = build(tmp_path).audit
    assert (audit.boxes, audit.unusable) == (4, 2) and audit.too_many_unusable()
    assert audit.kinds == {'degenerate box dropped': 1, 'box outside the image dropped': 1}
    assert audit.summary().endswith('1 x degenerate box dropped, 1 x box outside the image dropped')


def test_data_sets_are_reached_through_what_wraps_and_joins_them(tmp_path):
    dataset = coco(tmp_path)
    joined = ConcatDataset([dataset, MixDataset(dataset, pipeline=[])])
    assert list(audits_of(joined)) == [dataset.audit, dataset.audit]
    assert list(audits_of([1, 2])) == []


@pytest.mark.parametrize('boxes, bad, many', [(100, 1, False), (100, 2, True), (0, 0, False), (1, 1, True)])
def test_one_per_cent_is_the_limit(boxes, bad, many):
    lines = ['box outside the image dropped: a.png: ...'] * bad + ['box clipped to the image: a.png: ...'] * 9
    assert AnnotationAudit('a.json', 1, boxes, lines).too_many_unusable() is many


def test_what_a_split_is_scored_by_is_counted(tmp_path):
    assert coco(tmp_path).audit.targets == 2
    assert coco(tmp_path, metainfo=dict(classes=('egg', 'cyst')), unknown_classes=('worm',)).audit.targets == 2
    ignored = coco(tmp_path, metainfo=dict(classes=('egg', 'cyst')), ignore_classes=('worm',))
    assert ignored.audit.targets == 0


def test_the_file_has_a_row_for_each(tmp_path):
    audit = coco(tmp_path).audit
    rows = list(csv.reader(io.StringIO(anomalies_text([audit, audit]))))
    assert tuple(rows[0]) == COLUMNS and len(rows) == 5
    assert rows[1] == [audit.source, 'degenerate box dropped', '0.png', 'object 1 (worm): (5, 5, 5, 9)']


def test_images_that_the_filter_drops_are_listed_and_not_all_may_be(tmp_path):
    for kind in (CheckedCocoDataset, NamedCocoDataset):
        dataset = coco(tmp_path, kind, filter_cfg=dict(filter_empty_gt=True))
        assert len(dataset) == 1 and dataset.audit.kinds['image dropped by filter_cfg'] == 2
        with pytest.raises(UserError, match=r"ann\.json: filter_cfg: \{'min_size': 99\} drops all 3 images"):
            coco(tmp_path, kind, filter_cfg=dict(min_size=99))

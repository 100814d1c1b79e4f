"""report.html is one file that needs nothing else, for few and for many classes, boxes or none."""

import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from detplug.evaluation.coco_ap import box_metrics
from detplug.report.write import Evaluation, count_objects, write_report

HISTORY = [{'step': s, 'lr': 0.01, 'loss': 3 / s, 'loss_cls': 1 / s, 'loss_obj': None} for s in range(1, 50)] + [
    {'step': 25, 'val/map': 0.1, 'val/map50': 0.3},
    {'step': 50, 'val/map': 0.2, 'val/map50': 0.5},
]
CURVES = {'loss', 'map', 'pace'}
PICTURES = CURVES | {'precision_recall', 'f1', 'confusion', 'labels', 'images', 'worst_images', 'calibration'}


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.sources, self.text = [], [], []
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ('src', 'href', 'srcset', 'data', 'action')]

    def handle_data(self, data):
        self.text.append(data)


def report(folder, images, classes, history=HISTORY, split='val', **more):
    evaluation = Evaluation(split, classes, images, box_metrics(images, classes, 300))
    return write_report(folder, evaluation, title='a <title>', history=history, **more)


@pytest.mark.parametrize(('classes', 'count', 'objects'), [(2, 3, 5), (80, 4, 30), (1, 9, 110)])
def test_one_self_contained_file_and_its_pictures(tmp_path, make_images, classes, count, objects):
    names = tuple(f'class {k} <b>' for k in range(classes))
    path = report(tmp_path / 'out', make_images(count, classes, objects), names)
    page = Page(path)
    assert path.name == 'report.html' and path.stat().st_size < 3e6
    assert page.sources and all(source.startswith('data:image/') for source in page.sources)
    assert not {'script', 'link', 'iframe'} & set(page.tags)
    assert not re.search(r'url\(|@import|https?:', path.read_text())
    assert set(names) <= set(page.text) and 'Counts' in page.text
    written = {file.stem: cv2.imread(str(file)) for file in path.parent.glob('*.png')}
    assert written.keys() == PICTURES
    assert all(picture.std() > 5 for picture in written.values())  # something is drawn
    assert len(page.sources) == len(PICTURES)


def test_further_pictures(tmp_path, make_images):
    picture = np.full((40, 60, 3), 200, np.uint8)
    page = Page(report(tmp_path, make_images(1, 1, 2), ('egg',), pictures={'Some more': ('what it shows', picture)}))
    assert 'Some more' in page.text and 'what it shows' in page.text
    assert (cv2.imread(str(tmp_path / 'some_more.png')) == picture).all()


@pytest.mark.parametrize('what', ['no images', 'no boxes', 'no detections', 'no truth', 'no classes'])
def test_nothing_to_show_is_a_report_too(tmp_path, make_images, what):
    classes = () if what == 'no classes' else ('egg', 'worm')
    images = [] if what in ('no images', 'no classes') else make_images(2, 2, 0 if what == 'no boxes' else 6)
    none = np.empty((0, 4)), np.empty(0, int)
    for image in images:
        if what == 'no detections':
            image.boxes, image.labels, image.scores = *none, np.empty(0)
        if what == 'no truth':
            (image.gt_boxes, image.gt_labels), image.gt_ignored, image.gt_areas = none, np.empty(0, bool), np.empty(0)
    page = Page(report(tmp_path, images, classes, history=[]))
    assert f'{len(images)} images, {sum((~x.gt_ignored).sum() for x in images)} objects' in page.text
    assert not (tmp_path / 'loss.png').exists()


def test_figures_split_and_facts_are_in_the_text(tmp_path, make_images):
    images = make_images(3, 2, 8)
    page = Page(report(tmp_path, images, ('egg', 'worm'), split='test_clean', facts={'config': 'a&b.py'}))
    metrics = box_metrics(images, ('egg', 'worm'), 300)
    for text in ('Figures on the test_clean split', 'a&b.py', f'{metrics["map"]:.3f}', f'{metrics["ap/worm"]:.3f}'):
        assert text in page.text


def test_unreadable_image_files_give_grey_panes(tmp_path, make_images):
    images = make_images(2, 2, 5)
    images[0].img_path, images[1].img_path = str(tmp_path / 'missing.png'), ''
    report(tmp_path, images, ('egg', 'worm'))
    picture = cv2.imread(str(tmp_path / 'images.png'))
    assert (picture == 128).all(axis=2).mean() > 0.2


def test_objects_are_counted_without_ignored_ones(make_images):
    images = make_images(4, 3, 20)
    counts = count_objects(images, ('a', 'b', 'c'))
    assert list(counts) == ['a', 'b', 'c']
    assert sum(counts.values()) == sum(int((~image.gt_ignored).sum()) for image in images) < 80


def test_pictures_of_an_earlier_report_do_not_stay(tmp_path, make_images):
    report(tmp_path, make_images(2, 2, 5), ('egg', 'worm'))
    report(tmp_path, [], ('egg', 'worm'), history=[])
    assert {file.stem for file in tmp_path.glob('*.png')} & PICTURES == PICTURES - CURVES - {
        'images',
        'worst_images',
        'calibration',
    }

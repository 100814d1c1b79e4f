import torch
from mmengine.config import Config

from detplug.data.box_fit import box_fit
from detplug.engine.fit_hook import fit_lines, network_scale, sampled_items

PIPELINES = {
    'letterbox': (dict(type='Letterbox', scale=(320, 256)), ((320, 256), True)),
    'resize': (dict(type='mmdet.Resize', scale=(1333, 800), keep_ratio=True), ((1333, 800), False)),
    'side': (dict(type='LoadResizedImage', scale=320), ((320, 320), True)),
    'none': (dict(type='Resize', scale_factor=0.5), None),
    'several': (dict(type='RandomResize', scale=[(640, 480), (1333, 800)]), None),
}


class Head(torch.nn.Module):
    def unmatched(self, sizes):
        return sizes[:, 0] < 5

    def suggested_anchors(self, sizes):
        return 'anchors=[...]'


def items_of(*sides):
    instances = [dict(bbox=[0, 0, side, side], bbox_label=0) for side in sides]
    return [dict(width=100, height=100, instances=instances)]


def test_the_input_is_read_from_the_pipelines():
    for step, expected in PIPELINES.values():
        wrapped = dict(type='Wrapper', dataset=dict(type='X', pipeline=[dict(type='LoadImageFromFile'), step]))
        assert network_scale(Config(dict(train_dataloader=dict(dataset=wrapped)))) == expected


def test_boxes_that_fit_no_anchor_are_a_warning_with_their_number():
    lines = fit_lines(box_fit(items_of(3, 4.5, 40), (100, 100)), torch.nn.Sequential(Head()))
    assert [what for what, _ in lines] == ['sizes', 'warning', 'warning', 'advice', 'advice']
    assert lines[1][1] == '2 boxes (67 %) fit no anchor: they are learned as background'
    assert lines[2][1] == '1 boxes (33 %) have a side below 4 px'
    assert lines[4][1] == 'anchors that fit these boxes: anchors=[...]'


def test_where_all_is_well_there_is_one_line():
    for model in (torch.nn.Sequential(Head()), torch.nn.Identity()):
        assert len(fit_lines(box_fit(items_of(20, 40), (100, 100)), model)) == 1
    assert [what for what, _ in fit_lines(box_fit([], (100, 100)), Head())] == ['sizes']


def test_a_large_data_set_is_sampled_evenly(monkeypatch):
    monkeypatch.setattr('detplug.engine.fit_hook.MOST_ITEMS', 5)

    class Many:
        def __len__(self):
            return 101

        def get_data_info(self, index):
            return index

    class Two:
        datasets = (Many(), Many())

    assert sampled_items(Two()) == ([0, 25, 50, 75, 100] * 2, 202)

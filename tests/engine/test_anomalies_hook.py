"""Anomalies are shown before a run, listed in a file, and refused where too many boxes are lost."""

from types import SimpleNamespace

import pytest
from mmengine.runner.base_loop import BaseLoop

from detplug.data.anomalies import AnnotationAudit
from detplug.engine.anomalies_hook import AnomaliesHook
from detplug.errors import UserError

LOST, CLIPPED = 'box outside the image dropped: a.png: object 1', 'box clipped to the image: a.png: object 2'


class Loop(BaseLoop):
    def __init__(self, *audits):
        self.dataloader = SimpleNamespace(dataset=SimpleNamespace(datasets=[SimpleNamespace(audit=x) for x in audits]))

    def run(self):
        """Never called."""


def runner(folder, train=None, val=None, test=None, rank=0):
    return SimpleNamespace(work_dir=str(folder), rank=rank, _train_loop=train, _val_loop=val, _test_loop=test)


def audit(source, boxes=50, lines=(), targets=3, **kwargs):
    return AnnotationAudit(source, 5, boxes, list(lines), targets, **kwargs)


def test_a_line_for_each_odd_data_set_and_all_in_the_file(tmp_path, capsys):
    odd = audit('train.json', lines=[CLIPPED, CLIPPED])
    AnomaliesHook().before_run(runner(tmp_path, Loop(odd, audit('more.json')), Loop(audit('val.json'), odd)))
    assert capsys.readouterr().out.splitlines() == [
        'anomalies: train.json: 5 images, 50 boxes; 2 x box clipped to the image',
        f'anomalies: each in {tmp_path}/anomalies.csv',
    ]
    assert (tmp_path / 'anomalies.csv').read_text().count('train.json') == 2
    AnomaliesHook().before_run(runner(tmp_path, Loop(audit('train.json'))))
    assert capsys.readouterr().out == '' and not (tmp_path / 'anomalies.csv').exists()


@pytest.mark.parametrize('which', ['train', 'val', 'test'])
@pytest.mark.parametrize('rank', [0, 1])
def test_too_many_lost_boxes_are_refused_by_every_process_unless_accepted(tmp_path, capsys, which, rank):
    one = runner(tmp_path, rank=rank, **{which: Loop(audit('a.json', 100, [LOST] * 2))})
    with pytest.raises(UserError, match=r'a.json: 2 of 100 boxes have no area.*anomalies.csv.*--accept-anomalies'):
        AnomaliesHook().before_run(one)
    assert (tmp_path / 'anomalies.csv').exists() is (rank == 0) and bool(capsys.readouterr().out) is (rank == 0)
    AnomaliesHook(accept=True).before_run(one)


def test_a_validation_needs_something_to_be_scored_by_and_a_test_says_that_it_has_nothing(tmp_path, capsys):
    none = Loop(audit('a.json', targets=0, target='relation of the predicates'))
    with pytest.raises(UserError, match='a.json: no relation of the predicates: nothing can be scored; give a val'):
        AnomaliesHook().before_run(runner(tmp_path, Loop(audit('b.json')), none))
    AnomaliesHook().before_run(runner(tmp_path, none))
    assert capsys.readouterr().out == ''
    AnomaliesHook().before_run(runner(tmp_path, test=none))
    assert 'a.json: no relation of the predicates: nothing can be scored' in capsys.readouterr().out
    AnomaliesHook().before_run(runner(tmp_path, val=Loop(audit('a.json', targets=0), audit('b.json', targets=None))))

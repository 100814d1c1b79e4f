"""The demo runs the steps of plugins in order and writes one page; what a machine lacks is left out and named."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

from detplug.cli import demo, demo_step
from detplug.cli.demo_step import Demo, DemoStep, StepResult, in_order
from detplug.entry_points import plugin_table
from detplug.errors import UserError


def step(*after: str, lacking: str = '') -> DemoStep:
    return DemoStep('a title', lambda demo: StepResult(), after, lambda: lacking)


def test_what_works_from_a_step_follows_it_at_once():
    steps = dict(fpga=step('small'), count=step('unknown'), unknown=step('train'), small=step('train'), train=step())
    assert in_order(steps) == (['train', 'unknown', 'count', 'small', 'fpga'], {})
    both = dict(last=step('a', 'b'), a=step(), b=step())
    assert in_order(both)[0] == ['a', 'b', 'last']


def test_a_step_that_lacks_something_is_left_out_with_what_works_from_it():
    steps = dict(train=step(), small=step('train', lacking='it needs g++'), fpga=step('small'), count=step('absent'))
    order, left_out = in_order(steps)
    assert order == ['train'] and left_out['small'] == 'it needs g++'
    assert 'small' in left_out['fpga'] and 'absent' in left_out['count']


def test_the_steps_of_our_plugins_show_all_that_the_project_is_for():
    steps = plugin_table('demo_steps', 'STEPS', {})
    assert {'slides', 'detector', 'unknown', 'count', 'small', 'fpga', 'scenes', 'relations'} <= steps.keys()
    order, left_out = in_order({name: DemoStep(x.title, x.run, x.after) for name, x in steps.items()})
    assert not left_out and order.index('count') > order.index('unknown') > order.index('detector')


@pytest.fixture
def finished(tmp_path, monkeypatch, capsys) -> Path:
    """The folder of a demo of two steps and one that is left out."""

    def draw(demo: Demo) -> StepResult:
        picture = demo.root / 'a picture.png'
        cv2.imwrite(str(picture), np.zeros((300, 600, 3), np.uint8))
        return StepResult(made={'picture': picture}, pictures=[picture], shown={'eggs <all>': '7'}, figures={'eggs': 7})

    def count(demo: Demo) -> StepResult:
        demo.run('--version')
        (demo.root / 'counts').mkdir()
        assert demo.made('draw', 'picture').exists()
        return StepResult(files={'counts': demo.root / 'counts'}, go_on=('on', ('count', 'a D')), figures={'all': 1})

    steps = dict(
        count=DemoStep('count them', count, ('draw',)),
        draw=DemoStep('draw', draw),
        last=DemoStep('the last one', count, ('count',), lambda: "it needs pip install 'detplug[fpga]'"),
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, 'plugin_table', lambda *_: steps)
    monkeypatch.setattr(demo_step, 'dispatch', lambda words: 0 if words == ['--version'] else 3)
    (tmp_path / 'work_dirs/demo').mkdir(parents=True)
    assert demo.main([]) == 0
    printed = capsys.readouterr().out
    assert 'without "the last one": it needs pip install \'detplug[fpga]\'' in printed and '2/2 count them' in printed
    return tmp_path / 'work_dirs/demo-2'


def test_the_page_is_whole_and_every_link_leads_to_a_file_beside_it(finished):
    text = (finished / 'index.html').read_text()
    links = [unquote(link) for link in re.findall(r'href="([^"]+)"', text)]
    assert links == ['a picture.png', 'counts', 'demo.json'] and all((finished / link).exists() for link in links)
    assert 'src="data:image/jpeg;base64,' in text and not re.search(r'src="(?!data:)|<script|<link', text)
    assert 'eggs &lt;all&gt;' in text and 'detplug --version' in text and 'detplug count &#x27;a D&#x27;' in text
    assert 'the last one' in text and 'detplug[fpga]' in text


def test_figures_and_the_minutes_of_each_step_are_in_one_file(finished):
    facts = json.loads((finished / 'demo.json').read_text())
    assert facts['eggs'] == 7 and facts['all'] == 1
    assert set(facts['steps']) == {'draw', 'count'}
    assert facts['minutes'] == pytest.approx(sum(x['wall'] for x in facts['steps'].values()))
    assert all(x['cpu'] >= 0 for x in facts['steps'].values())


def test_a_command_that_fails_ends_the_demo(tmp_path, monkeypatch):
    monkeypatch.setattr(demo_step, 'dispatch', lambda words: 1)
    with pytest.raises(UserError, match='detplug inspect data: ended with exit status 1'):
        Demo(tmp_path).run('inspect', 'data')

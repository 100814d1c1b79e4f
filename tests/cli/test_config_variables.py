"""Options for names that only a config's own files use: what is computed from them follows, or a line names the key."""

import pytest

from detplug.cli import config as config_module
from detplug.cli.config import default_work_dir, load_config
from detplug.errors import UserError

BASE = """
steps = 100
size = (64, 32)
plain = 'x'
part = dict(width=3, names=('a', 'b'), deep=[dict(p=1)])
train_cfg = dict(max_iters=steps, val_interval=steps // 4)
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False, begin=5, end=steps, T_max=steps - 5)]
model = dict(part=part, size=size, steps=steps)
"""
LEAF = """
_base_ = './base.py'
model = dict(size=(1, 1), leaf=_base_.part, twice=_base_.steps * 2)
"""


@pytest.fixture
def leaf(tmp_path):
    (tmp_path / 'base.py').write_text(BASE)
    path = tmp_path / 'leaf.py'
    path.write_text(LEAF)
    return path


def test_what_is_computed_follows_through_all_files(leaf):
    config = load_config(leaf, ['steps=40', 'part.width=5', 'part.deep.0.p=7', 'model.steps=1'])
    assert (config.steps, config.train_cfg.max_iters, config.train_cfg.val_interval) == (40, 40, 10)
    assert config.model.twice == 80
    assert (config.param_scheduler[0].end, config.param_scheduler[0].T_max) == (40, 35)
    assert config.model.steps == 1  # an option for the part itself stands above
    for part in (config.model.part, config.model.leaf, config.part):
        assert (part.width, part.deep[0].p, part.names) == (5, 7, ('a', 'b'))


def test_a_value_that_the_config_has_already_is_no_error(leaf):
    assert load_config(leaf, ['plain=x', 'size=(64,32)']).model.size == (1, 1)


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('size=(8,8)', 'nothing in leaf.py follows from it; a part that did is replaced; give model.size'),
        ('plain=y', 'nothing in leaf.py follows from it; change the part'),
        ('steps=abc', 'does not load with it'),
        ('stepps=3', "did you mean 'steps'"),
        ('part.widht=3', "did you mean 'width'"),
    ],
)
def test_anything_else_is_one_line(leaf, option, words):
    with pytest.raises(UserError) as error:
        load_config(leaf, [option])
    assert words in str(error.value) and '\n' not in str(error.value)


def test_one_that_follows_does_not_hide_one_that_does_not(leaf):
    with pytest.raises(UserError, match='plain=y: nothing'):
        load_config(leaf, ['steps=40', 'plain=y'])
    assert load_config(leaf).steps == 100  # nothing stays of it


def test_a_config_that_was_dumped_names_what_holds_the_value(leaf, tmp_path):
    dumped = tmp_path / 'dumped.py'
    load_config(leaf).dump(dumped)
    with pytest.raises(UserError, match='the same value stands in .*param_scheduler.0.end, train_cfg.max_iters'):
        load_config(dumped, ['steps=40'])


@pytest.mark.parametrize('suffix', ['yml', 'json'])
def test_a_file_without_code_is_refused_alike(tmp_path, suffix):
    path = tmp_path / f'plain.{suffix}'
    path.write_text('{"steps": 100, "model": {"steps": 100}}')
    with pytest.raises(UserError, match='the same value stands in model.steps'):
        load_config(path, ['steps=40'])


@pytest.mark.parametrize('old', ['', 'data/eggs/'])
@pytest.mark.parametrize('dumped', [False, True])
def test_data_root_reaches_paths_alone(tmp_path, old, dumped):
    path = tmp_path / 'eggs.py'
    path.write_text(
        f"data_root = {old!r}\nrunner_type = 'DetplugRunner'\nmodel = dict(type='SingleStageDetector')\n"
        "test_dataloader = dict(dataset=dict(type='X', data_root=data_root, ann_file='a.json'))\n"
    )
    if dumped:
        config = load_config(path)
        path = tmp_path / 'dumped.py'
        config.dump(path)
    config = load_config(path, ['data_root=elsewhere'])
    assert (config.runner_type, config.model.type) == ('DetplugRunner', 'SingleStageDetector')
    assert config.test_dataloader.dataset == dict(type='X', data_root='elsewhere/', ann_file='a.json')


def test_data_root_that_nothing_uses_is_one_line(tmp_path):
    path = tmp_path / 'eggs.py'
    path.write_text("data_root = 'data/'\nmodel = dict(type='X')\n")
    with pytest.raises(UserError, match="data_root=elsewhere/: no path of .*eggs.py begins with 'data/'"):
        load_config(path, ['data_root=elsewhere'])


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ("('red blood cell','ring')", ('red blood cell', 'ring')),
        ("['a b', 3]", ['a b', 3]),
        ('(640,640)', (640, 640)),
        ('[a,b]', ['a', 'b']),
        ("'a b'", 'a b'),
        ('a b', 'a b'),
    ],
)
def test_a_text_keeps_its_spaces(leaf, text, value):
    assert load_config(leaf, [f'model.size={text}']).model.size == value


def test_a_text_with_spaces_in_brackets_wants_quotes(leaf):
    with pytest.raises(UserError, match='put each text into quotes'):
        load_config(leaf, ['model.size=(red blood cell,ring)'])


def test_plugins_of_an_option_are_imported(leaf, monkeypatch):
    imported = []
    monkeypatch.setattr(config_module, 'import_modules_from_strings', lambda **given: imported.append(given))
    leaf.write_text(LEAF + "custom_imports = dict(imports=['json'], allow_failed_imports=False)\n")
    load_config(leaf, ['custom_imports.imports=[csv]'])
    assert imported == [dict(imports=['csv'], allow_failed_imports=False)]


def test_an_option_that_an_argument_replaces_names_it(leaf):
    leaf.write_text(LEAF + "launcher = 'none'\n")
    with pytest.raises(UserError, match='launcher=slurm: has no effect here; give --launcher'):
        load_config(leaf, ['launcher=slurm'], dict(launcher='--launcher'))


def test_configs_of_one_name_in_two_folders_have_work_folders_of_their_own(tmp_path):
    folders = []
    for name in ('half', 'third'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'config.py').write_text('a = 1\n')
        folders.append(default_work_dir(load_config(tmp_path / name / 'config.py')))
    assert folders == ['work_dirs/half/config', 'work_dirs/third/config']
    (tmp_path / name / 'config.py').write_text("work_dir = 'v'\n")
    assert default_work_dir(load_config(tmp_path / name / 'config.py', ['work_dir=w'])) == 'w'


def test_a_variable_of_the_leaf_that_only_its_base_computes_with_is_refused_with_the_parts(leaf):
    leaf.write_text("_base_ = './base.py'\nsteps = 3000\n")
    with pytest.raises(UserError, match='steps = 3000 changes nothing.*train_cfg.max_iters.*--cfg-options') as error:
        load_config(leaf)
    assert '\n' not in str(error.value)
    assert load_config(leaf, ['steps=60']).train_cfg.max_iters == 60  # the option reaches the base


@pytest.mark.parametrize('text', ['steps = 100', 'steps = 50\nmodel = dict(steps=steps)', "plain = 'y'", 'extra = 1'])
def test_a_variable_of_the_leaf_that_changes_something_or_is_read_nowhere_is_not(leaf, text):
    leaf.write_text(f"_base_ = './base.py'\n{text}\n")
    assert load_config(leaf).train_cfg.max_iters == 100

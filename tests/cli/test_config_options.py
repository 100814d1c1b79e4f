"""Config files and --cfg-options: right ones are applied, wrong ones are one line that names the cure."""

import pytest

from detplug.cli.config import building, load_config
from detplug.errors import UserError

TEXT = """
data_root = 'data/eggs/'
model = dict(type='X', depth=1, layers=[dict(width=4), dict(width=8)])
val_dataloader = dict(data_root=data_root, ann=data_root + 'val.json', root=dict(other='elsewhere/'))
"""


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / 'eggs.py'
    path.write_text(TEXT)
    return path


def test_options_reach_nested_dicts_and_lists(config_file):
    config = load_config(config_file, ['model.depth=3', 'model.layers.1.width=16', 'model.type=None'])
    assert (config.model.depth, config.model.layers[1].width, config.model.layers[0].width) == (3, 16, 4)
    assert config.model.type is None


@pytest.mark.parametrize('root', ['new/place', 'new/place/'])
def test_data_root_reaches_the_data_sets(config_file, root):
    config = load_config(config_file, [f'data_root={root}'])
    assert config.val_dataloader.data_root == 'new/place/'
    assert config.val_dataloader.ann == 'new/place/val.json'
    assert config.val_dataloader.root.other == 'elsewhere/'


@pytest.mark.parametrize(
    ('option', 'cure'),
    [
        ('model.dept=3', "did you mean 'depth'"),
        ('model.layers.2.width=3', "has no '2'"),
        ('model.depth.x=3', 'is a value'),
        ('model.depth', 'KEY=VALUE'),
        ('modle.depth=1', "did you mean 'model'"),
        ('model.layers=[(1,2]', 'unbalanced'),
    ],
)
def test_a_path_that_the_config_lacks_is_one_line(config_file, option, cure):
    with pytest.raises(UserError, match=cure) as error:
        load_config(config_file, [option])
    assert '\n' not in str(error.value)


def test_a_missing_config_is_named(tmp_path):
    with pytest.raises(UserError, match='nothing.py: config not found'):
        load_config(tmp_path / 'nothing.py')


def test_a_config_that_raises_is_named(tmp_path):
    path = tmp_path / 'broken.py'
    path.write_text('model = dict(\n')
    with pytest.raises(UserError, match='broken.py: does not load'):
        load_config(path)


def test_yaml_with_a_python_object_runs_nothing(tmp_path):
    marker = tmp_path / 'marker'
    path = tmp_path / 'hostile.yaml'
    path.write_text(f'model: !!python/object/apply:os.system ["touch {marker}"]\n')
    with pytest.raises(UserError, match='hostile.yaml: does not load'):
        load_config(path)
    assert not marker.exists()


def test_plain_yaml_still_loads(tmp_path):
    path = tmp_path / 'plain.yaml'
    path.write_text('model: {depth: 2}\n')
    assert load_config(path).model.depth == 2


@pytest.mark.parametrize(
    ('error', 'cure'),
    [
        (
            TypeError("class `Egg` in e.py: Egg.__init__() got an unexpected keyword argument 'shel'"),
            "no argument 'shel'",
        ),
        (KeyError("'Eggg is not in the mmdet::model registry. Please check'"), "type 'Eggg' is not registered"),
    ],
)
def test_building_errors_become_one_line(error, cure):
    with pytest.raises(UserError, match=cure), building('eggs.py'):
        raise error

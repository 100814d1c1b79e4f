"""Every name at the top of every config: an option for it changes what is read, or the refusal names keys that do."""

from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

from detplug.cli.config_reading import read_config
from detplug.cli.config_variables import is_variable, paths_with, same, what_is_read, with_variables
from detplug.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path.relative_to(ROOT) for path in ROOT.glob('configs/[!_]*/*.py'))


@cache
def read(config: Path) -> Config:
    return Config.fromfile(ROOT / config, import_custom_modules=False)


def first_leaf(value, path: str) -> tuple[str, object]:
    """The first value below ``path`` that is no container; (640, 640) is one value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, child in children:
        if isinstance(child, dict | list | tuple) or isinstance(value, dict):
            return first_leaf(child, f'{path}.{key}')
    return path, value


def another(value):
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, list | tuple):
        return type(value)(another(x) for x in value)
    return value + 'x' if isinstance(value, str) else value + 32


def cases() -> list:
    """(config, path, value), each path and value once: most names come from files that many configs are based on."""
    seen = {}
    for config in CONFIGS:
        for name, value in read(config).items():
            path, leaf = first_leaf(value, name)
            if is_variable(name) and leaf not in ((), []):
                seen.setdefault((path, repr(leaf)), (config, path, leaf))
    return [pytest.param(*case, id=f'{case[0].stem}-{case[1]}') for case in seen.values()]


CASES = cases()


def test_every_kind_of_name_is_tried():
    assert {'max_iters', 'warmup', 'img_scale', 'classes', 'channels', 'noisy', 'dataset', 'data_root', 'fpga'} - {
        case.values[1].partition('.')[0] for case in CASES
    } == {'fpga'}  # the section of a plugin is read by it
    assert {'max_iters', 'img_scale', 'data_root', 'dataset'} <= {name for x in CONFIGS for name in read(x)}


@pytest.mark.parametrize(('path', 'name', 'value'), CASES)
def test_an_option_has_an_effect_or_is_refused(path, name, value):
    config = read(path)
    try:
        changed = with_variables(config, {name: another(value)}, ROOT / path)
    except UserError as error:
        text = str(error)
        assert text.startswith(f'--cfg-options {name}=') and '\n' not in text
        if 'does not load with it' in text:  # another name for the class that the config looks up, as 'person'
            return
        keys = text.rpartition('; ')[2].removeprefix('give ').removesuffix(', ...').split(', ')
        for key in keys:  # each is there, and can be changed
            assert len(paths_with(what_is_read(config), _at(config, key))) > 0, text
        return
    assert what_is_read(changed) != what_is_read(config)


DISTINCT = {
    str([read(path)[key] for key in ('train_cfg', 'param_scheduler', 'train_dataloader', 'val_dataloader')]): path
    for path in CONFIGS
}  # others differ in their models


@pytest.mark.parametrize('path', DISTINCT.values(), ids=str)
def test_a_size_or_a_length_is_followed_everywhere(path):
    """No part keeps the old number: all sizes of one config, all ends of its schedule."""
    config = read(path)
    names = {'max_iters': 7 * config.max_iters} | ({'img_scale': (96, 96)} if 'img_scale' in config else {})
    changed = read_config(ROOT / path, names)
    assert changed.train_cfg.max_iters == names['max_iters']
    assert max(x.end for x in changed.param_scheduler) == names['max_iters']
    assert not paths_with(dict(changed.param_scheduler[-1]), config.max_iters)
    if 'img_scale' in config:
        kept = {
            place
            for key in ('train_dataloader', 'val_dataloader', 'test_dataloader')
            for place in paths_with(what_is_read(changed)[key], tuple(config.img_scale))
        }
        assert not kept and any(same(x, (96, 96)) for x in _scales(what_is_read(changed)))


def _at(config: Config, path: str):
    node = config
    for key in path.split('.'):
        node = node[int(key)] if isinstance(node, list | tuple) else node[key]
    return node


def _scales(node) -> list:
    if isinstance(node, list | tuple):
        return [x for item in node for x in _scales(item)]
    if isinstance(node, dict):
        return ([node['scale']] if 'scale' in node else []) + _scales(list(node.values()))
    return []

"""Every weight address in every config can be read: the part that names it starts from what a web server gives it.

The server is one of this machine, in the place of those that the lists of addresses name; nothing else is exchanged.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from weights_server import serving

from detplug.cli.config import load_config
from detplug.engine import published_weights
from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from mmdet.registry import MODELS
    from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path.relative_to(ROOT) for path in ROOT.glob('configs/[!_]*/*.py'))
ADDRESS = re.compile(r'[\w+.-]+://')


def addresses(node: Any) -> Iterator[str]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ()
    for child in children:
        if isinstance(child, str) and ADDRESS.match(child):
            yield child
        yield from addresses(child)


def parts_that_start_from(node: Any) -> Iterator[tuple[dict, str]]:
    """Parts of a model with the address in their ``init_cfg``."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ()
    init = node.get('init_cfg') if isinstance(node, dict) else None
    if isinstance(init, dict) and ADDRESS.match(str(init.get('checkpoint'))):
        yield node, init['checkpoint']
    for child in children:
        yield from parts_that_start_from(child)


FOUND = {}  # (address, part) -> a config with it
for path in CONFIGS:
    config = Config.fromfile(ROOT / path, import_custom_modules=False)
    for part, address in parts_that_start_from(config.model):
        FOUND.setdefault((address, str(part)), path)
    named = {address for _, address in parts_that_start_from(config.model)}
    OTHERS = set(addresses(config.to_dict())) - named
    assert not OTHERS, f'{path}: {OTHERS}: weights by address that this test does not load'


@pytest.fixture
def server(tmp_path, monkeypatch) -> Path:
    """The folder that a web server of this machine serves, as the place of every address; torch's folder is empty."""
    folder = tmp_path / 'served'
    folder.mkdir()
    url_of = published_weights.url_of

    def here(address: str) -> str:
        assert url_of(address).startswith('https://')  # an unknown name ends here
        return f'{web}/weights.pth'

    monkeypatch.setattr(published_weights, 'url_of', here)
    monkeypatch.setattr(torch.hub, '_hub_dir', str(tmp_path / 'hub'))
    with serving(folder) as web:
        yield folder


def test_some_config_names_an_address():
    assert FOUND


@pytest.mark.parametrize(('address', 'path'), [(key[0], path) for key, path in FOUND.items()])
def test_a_part_starts_from_the_weights_that_it_names(address, path, server):
    part = next(part for part, found in parts_that_start_from(load_config(ROOT / path).model) if found == address)
    with torch.device('meta'):
        shapes = MODELS.build(dict(part, init_cfg=None)).state_dict()
    state = {name: torch.full((1,), 0.01).expand(x.shape) for name, x in shapes.items() if x.dim()}
    torch.save(state, server / 'weights.pth')
    built = MODELS.build(part)
    built.init_weights()
    now = built.state_dict()
    assert len(state) > 100 and all(torch.equal(now[name], value) for name, value in state.items())

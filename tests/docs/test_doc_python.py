"""Python blocks of the pages compile, what they import is there, and cheap ones run."""

import ast
import importlib
import json
import re
from pathlib import Path

import pytest
from doc_commands import command_lines, detplug_words
from doc_pages import BLOCKS, ROOT, of_language
from tiny_bundle import write_bundle, write_pictures

from detplug.cli.main import main

NOT_HERE = {'pynq', 'driver'}  # of a board and of a bundle
RUN = [block for block in BLOCKS if block.note == 'run']


def compilable(text: str) -> str:
    """``..., ...)`` stands for more arguments; Python takes an ellipsis there only before named ones."""
    return re.sub(r',\s*\.\.\.\)', ')', text).replace('(..., ', '(')


@pytest.mark.parametrize('block', of_language('python'), ids=str)
def test_python_compiles_and_imports_what_is_there(block):
    for node in ast.walk(ast.parse(compilable(block.text), block.page)):
        if isinstance(node, ast.Import):
            for name in node.names:
                assert name.name in NOT_HERE or importlib.import_module(name.name)
        elif isinstance(node, ast.ImportFrom) and node.module not in NOT_HERE:
            module = importlib.import_module(node.module)
            assert not [x.name for x in node.names if not hasattr(module, x.name)]
            if node.module.partition('.')[0] in ('detplug', 'plugins'):
                assert Path(module.__file__).is_relative_to(ROOT), f'{node.module}: not a module of this checkout'


@pytest.mark.parametrize('block', of_language('json'), ids=str)
def test_json_is_json(block):
    json.loads(block.text)


def test_some_blocks_run():
    assert {'python', 'bash'} <= {block.language for block in RUN}


@pytest.mark.parametrize('block', RUN, ids=str)
def test_blocks_that_are_marked_run(block, tmp_path, monkeypatch):
    """In a folder with a bundle, its pictures and the files that the page shows."""
    monkeypatch.chdir(tmp_path)
    write_bundle(tmp_path / 'bundle', 'ood_scores', [0.9, 0.2, 0.5])
    write_pictures(tmp_path / 'pictures')
    write_bundle(tmp_path / 'work_dirs/eggs/onnx')
    for name in ('slide.jpg', 'image.jpg'):
        (tmp_path / name).symlink_to(tmp_path / 'pictures/bright.png')
    for other in BLOCKS:
        if other.page == block.page and other.note.startswith('file: '):
            (tmp_path / other.note.removeprefix('file: ')).write_text(other.text)
    if block.language == 'python':
        exec(compile(block.text, str(block), 'exec'), {'__name__': str(block)})
        return
    for words in command_lines(block.text):
        assert main(detplug_words(words)) == 0, words

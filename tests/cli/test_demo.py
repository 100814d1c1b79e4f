"""The demo runs from any folder, and says at its start what it leaves out."""

from pathlib import Path

import pytest

from detplug.cli import demo
from detplug.config_files import configs_folder


class Stopped(Exception):
    pass


@pytest.mark.parametrize(
    ('missing', 'said'), [('qonnx', "pip install 'detplug[fpga]'"), ('g++', 'it needs g++'), ('', '')]
)
def test_without_the_extra_or_a_compiler_the_last_step_is_left_out_and_named(
    missing, said, tmp_path, monkeypatch, capsys
):
    def stop(folder):
        raise Stopped(folder)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, 'generate', stop)
    monkeypatch.setattr(demo, 'find_spec', lambda name: None if name == missing else name)
    monkeypatch.setattr(demo.shutil, 'which', lambda name: None if name == missing else name)
    with pytest.raises(Stopped):
        demo.main([])
    printed = capsys.readouterr().out
    assert said in printed and ('without the last step' in printed) == bool(missing)
    assert f'1/{9 if missing else 10} sample slides' in printed


def test_the_config_is_the_packages_own():
    assert Path(demo.CONFIG).is_file() and Path(demo.CONFIG).is_relative_to(configs_folder())

"""`make docs`: the site is built with every warning an error."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(find_spec('mkdocs') is None, reason='mkdocs is not installed: run make docs, which installs it')
def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(tmp_path)]
    env = os.environ | {'NO_MKDOCS_2_WARNING': '1'}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    front = (tmp_path / 'index.html').read_text()
    assert 'href="tutorials/openset.html"' in front and 'href="repository/configs/sabra/index.html"' in front
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]*)', front)
    assert not loaded  # nothing from elsewhere
    assert 'none|pytorch|slurm' in (tmp_path / 'reference/commands.html').read_text()  # no backslash from the table
    assert 'Detect in one image' in (tmp_path / 'reference/python.html').read_text()  # from a docstring

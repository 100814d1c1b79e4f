"""Which folder of the accelerator imports which: no cycles, and the reference depends on nothing."""

import ast
from pathlib import Path

import pytest

FPGA = Path(__file__).parents[3] / 'plugins/fpga'
ALLOWED = {
    'integers': set(),
    'hardware': set(),
    'compiler': {'integers', 'hardware'},
    'simulation': {'integers', 'hardware', 'compiler', 'axi'},
    'axi': {'hardware'},
}


@pytest.mark.parametrize('folder', ALLOWED)
def test_a_folder_imports_only_those_below_it(folder):
    imported = set()
    for path in (FPGA / folder).glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                names = [node.module] if node.module else [x.name for x in node.names]
                imported |= {name.split('.')[0] for name in names}
    assert imported == ALLOWED[folder]

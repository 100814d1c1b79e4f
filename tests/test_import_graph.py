"""Imports point one way: no cycle between the host's packages or with plugins, and no plugin imports another.

A node is a folder of ``detplug/``, a module directly in it, or a plugin; an edge is an import that runs when a module
is imported. Files are parsed, nothing is imported. What runs in a function or under ``if __name__ == '__main__'`` is
free: a command may start another.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TOPS = ('detplug', 'plugins')
# (plugin, plugin that it imports): why. The list may only shrink.
DECLARED = {
    ('plugins.openset', 'plugins.yolov5'): 'EnergyYOLOv5Head is a YOLOv5Head with another loss',
}
Graph = dict[tuple[str, str], set[str]]  # (node, imported node) -> the files with such an import


def import_graph(root: Path) -> Graph:
    """The edges of the files in ``root``'s detplug and plugins."""
    edges: Graph = {}
    for path in (path for top in TOPS for path in sorted((root / top).rglob('*.py'))):
        inside = path.relative_to(root).with_suffix('').parts
        source = node_of('.'.join(inside), root)
        for name in imported_names(ast.parse(path.read_text()).body, inside[:-1]):
            target = node_of(name, root)
            if target and target != source:
                edges.setdefault((source, target), set()).add(path.relative_to(root).as_posix())
    return edges


def node_of(name: str, root: Path) -> str:
    """The node of a dotted name; '' for what is not ours and for the bare packages."""
    top, _, rest = name.partition('.')
    second = rest.partition('.')[0]
    here = root / top / second
    ours = top in TOPS and second and (here.is_dir() or here.with_suffix('.py').exists())
    return f'{top}.{second}' if ours else ''


def imported_names(statements: list[ast.stmt], package: tuple[str, ...]) -> Iterator[str]:
    """Dotted names, absolute, of the imports that run when a module in ``package`` is imported."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            above = package[: len(package) - statement.level + 1] if statement.level else ()
            module = '.'.join([*above, *([statement.module] if statement.module else [])])
            yield from (f'{module}.{alias.name}' for alias in statement.names)
        elif isinstance(statement, ast.If) and is_free(statement.test):
            yield from imported_names(statement.orelse, package)
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            for field in ('body', 'orelse', 'finalbody', 'handlers'):
                yield from imported_names(getattr(statement, field, []), package)


def is_free(test: ast.expr) -> bool:
    """Whether it is of a block that an import does not run."""
    return any(isinstance(x, ast.Name) and x.id in ('TYPE_CHECKING', '__name__') for x in ast.walk(test))


def cycle_of(edges: Graph) -> list[str]:
    """The nodes of a cycle in order, the first one again at the end; empty where there is none."""
    graph: dict[str, set[str]] = {}
    for source, target in edges:
        graph.setdefault(source, set()).add(target)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return error.args[1][::-1]
    return []


@pytest.fixture(scope='module')
def edges() -> Graph:
    return import_graph(ROOT)


def test_the_graph_has_every_package(edges):
    nodes = {node for edge in edges for node in edge}
    folders = [x for top in TOPS for x in (ROOT / top).iterdir() if any(x.glob('*.py'))]
    assert nodes >= {f'{x.parent.name}.{x.name}' for x in folders}
    assert ('detplug.cli', 'detplug.engine') in edges and ('plugins.sabra', 'detplug.runtime') in edges


def test_no_cycle(edges):
    cycle = cycle_of(edges)
    assert not cycle, {pair: edges[pair] for pair in zip(cycle, cycle[1:], strict=False)}


def test_the_host_imports_no_plugin(edges):
    assert {pair: files for pair, files in edges.items() if pair[0] < 'plugins' <= pair[1]} == {}


def test_plugins_import_one_another_where_it_is_declared_alone(edges):
    assert {pair for pair in edges if pair[0].startswith('plugins.') and pair[1].startswith('plugins.')} == set(
        DECLARED
    )


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ('import detplug.cli.run', True),
        ('from detplug.cli import run', True),
        ('from ..cli import run', True),
        ('with quiet():\n    from detplug import cli', True),
        ('try:\n    import x\nexcept ImportError:\n    import detplug.cli', True),
        ('class A:\n    import detplug.cli', True),
        ('def f():\n    import detplug.cli', False),
        ('if TYPE_CHECKING:\n    import detplug.cli', False),
        ("if __name__ == '__main__':\n    import detplug.cli", False),
        ('if TYPE_CHECKING:\n    pass\nelse:\n    import detplug.cli', True),
    ],
)
def test_which_imports_count(text, found, tmp_path):
    for folder in ('cli', 'data'):
        (tmp_path / 'detplug' / folder).mkdir(parents=True)
    (tmp_path / 'detplug' / 'data' / 'a.py').write_text(text)
    (tmp_path / 'detplug' / 'cli' / 'run.py').write_text('import detplug.data.a')
    graph = import_graph(tmp_path)
    assert graph.pop(('detplug.cli', 'detplug.data')) == {'detplug/cli/run.py'}
    assert graph == ({('detplug.data', 'detplug.cli'): {'detplug/data/a.py'}} if found else {})
    assert bool(cycle_of(import_graph(tmp_path))) == found

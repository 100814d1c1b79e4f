"""Public names use the detection field's words (docs/glossary.md): detections, not found; annotated, not judged."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRIVATE = {'told', 'places', 'found', 'surest', 'solo', 'judged'}
MODULES = [
    path
    for package in ('detplug', 'plugins')
    for path in sorted((ROOT / package).rglob('*.py'))
    if 'microscopy' not in path.parts  # says of what a threshold found how much is right
]


def words(name: str) -> set[str]:
    """``select_found`` and ``SelectFound`` are select, found."""
    return {word.lower() for word in re.findall(r'[A-Z]?[a-z]+|[A-Z]+', name)}


def public_names(tree: ast.AST) -> set[str]:
    """Of classes, their annotated fields, functions and their arguments."""
    functions = [x for x in ast.walk(tree) if isinstance(x, ast.FunctionDef) and not x.name.startswith('_')]
    names = {x.name for x in ast.walk(tree) if isinstance(x, ast.ClassDef)} | {x.name for x in functions}
    names |= {x.arg for function in functions for x in (*function.args.args, *function.args.kwonlyargs)}
    fields = [
        y.target for x in ast.walk(tree) if isinstance(x, ast.ClassDef) for y in x.body if type(y) is ast.AnnAssign
    ]
    return {name for name in names | {x.id for x in fields} if not name.startswith('_')}


@pytest.mark.parametrize('package', sorted({path.parent.relative_to(ROOT).as_posix() for path in MODULES}))
def test_public_names_use_the_words_of_the_field(package):
    paths = [path for path in MODULES if path.parent == ROOT / package]
    names = {name for path in paths for name in (path.stem, *public_names(ast.parse(path.read_text())))}
    assert not {name for name in names if words(name) & PRIVATE}

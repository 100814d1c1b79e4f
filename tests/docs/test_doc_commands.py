"""Every command line of README and the pages is accepted by the command's own parser, and names files that exist."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from doc_commands import command_lines, detplug_words, parse, parse_module
from doc_pages import PAGES, ROOT, of_language

from detplug.cli.main import COMMANDS, main
from detplug.entry_points import plugin_table
from detplug.errors import UserError

# programs whose options are not ours to check
OTHERS = {'pip', 'git', 'source', 'apt-get', 'debootstrap', 'cp', 'mount', 'mkdir', 'env', 'umount'}
FILE = re.compile(
    r'\b(?:benchmarks|configs|detplug|docs|plugins|requirements|tests|tools)/[\w./-]+\.(?:py|md|json|csv|txt|jpg|png)\b'
)
BASH = of_language('bash')
COMMAND_PAGE = (ROOT / 'docs/reference/commands.md').read_text()
ROWS = [
    [cell.strip() for cell in re.split(r'(?<!\\)\|', line)[1:-1]]
    for line in COMMAND_PAGE.splitlines()
    if line.startswith('| `')
]


def check(words: list[str]) -> None:
    """Raises or fails where a command line would be refused."""
    ours = detplug_words(words)
    if ours is not None:
        parse(ours)
    elif words[0].endswith('python') and words[1] == '-m':
        if words[2] in ('pip', 'pytest', 'http.server'):
            return
        spec = find_spec(words[2])
        assert spec and Path(spec.origin).is_relative_to(ROOT), f'{words[2]}: not a module of this checkout'
        parse_module(words[2], words[3:])
    elif words[0].endswith('python'):
        text = (ROOT / words[1]).read_text()
        assert all(f"'{word}'" in text for word in words[2:] if word.startswith('--'))
    elif words[0] == 'make':
        targets = [word for word in words[1:] if '=' not in word]
        assert all(re.search(rf'^{target}:', (ROOT / 'Makefile').read_text(), re.MULTILINE) for target in targets)
    else:
        assert words[0].rpartition('/')[2] in OTHERS, f'{words[0]}: not a command that this test knows'


@pytest.mark.parametrize('block', BASH, ids=str)
def test_command_lines_are_accepted(block, capsys):
    for words in command_lines(block.text):
        try:
            check(words)
        except SystemExit as error:
            pytest.fail(f'{block}: {" ".join(words)}: {error} {capsys.readouterr().err}')


def test_what_a_parser_refuses_is_seen():
    with pytest.raises(SystemExit):
        parse(['train', 'configs/a.py', '--no-such-option'])
    with pytest.raises(UserError):
        parse(['train', 'configs/yolov5/yolov5n_bccd.py', '--cfg-options', 'model.no_such_part=1'])
    with pytest.raises(SystemExit):
        parse(['compress', 'a.py', 'b.pth', '--out', 'd', '--method', 'fpga', '--form', 'round'])
    assert command_lines('A=b.py\ndetplug train $A \\\n  --smoke  # two steps\n') == [
        ['detplug', 'train', 'b.py', '--smoke']
    ]


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_exist(path):
    text = path.read_text()
    if path.name == 'CHANGELOG.md':  # it also names what was removed
        return
    named = {x for x in FILE.findall(text) if not re.search(r'(^|/)[A-Z]+\b', x.removesuffix('README.md'))}
    missing = [x for x in sorted(named) if not (ROOT / x).exists() and not (path.parent / x).exists()]
    assert not missing
    links = re.findall(r'\]\(([^()\s#:]+)(?:#[^()\s]*)?\)', re.sub(r'```.*?```', '', text, flags=re.DOTALL))
    assert not [x for x in links if not (path.parent / x).exists()]


def test_every_command_has_a_row():
    named = {re.match(r'`([\w-]+)', row[0])[1].replace('-', '_') for row in ROWS}
    known = {*COMMANDS, *plugin_table('commands', 'COMMANDS', {})}
    assert {name.replace('-', '_') for name in known} <= named


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row[0][1:40])
def test_options_of_a_row_exist(row, capsys):
    words = row[0].strip('`').replace('\\|', '|').split()
    form = [word for pair in zip(words, words[1:], strict=False) for word in pair if pair[0] in ('--method', '--data')]
    with pytest.raises(SystemExit) as end:
        if words[0] == 'python':
            parse_module(words[2], ['--help'])
        else:
            main([words[0], *form, '--help'])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    assert not [x for x in re.findall(r'--[\w-]+', row[0]) if not re.search(rf'{x}\b', shown)]


def test_readme_fits_on_two_screens():
    lines = (ROOT / 'README.md').read_text().splitlines()
    assert len(lines) <= 110 and max(map(len, lines)) < 200


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pages_use_the_words_of_the_field(path):
    """And lists begin after an empty line: GitHub shows them without, the site does not."""
    if path.name == 'CHANGELOG.md':
        return
    text = re.sub(r'```.*?```|`[^`]*`', '', path.read_text(), flags=re.DOTALL)
    private = r'\b(told|tells|surest|solo|odd|oddities|alike|strange|strangeness|fate|wished|sure boxes)\b'
    assert not re.findall(private, text)
    before = re.findall(r'^(?![ \n#<|-]|\d\. )(.*)\n(?:- |1\. )', text, re.MULTILINE)
    assert not before


def test_every_extra_is_explained():
    text = (ROOT / 'setup.cfg').read_text()
    extras = re.findall(
        r'^(\w+) =$', text[text.index('[options.extras_require]') : text.index('[options.entry_points]')], re.M
    )
    page = (ROOT / 'docs/install.md').read_text()
    assert len(extras) > 5 and not [x for x in extras if f'`{x}`' not in page]

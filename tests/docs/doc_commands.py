"""The command lines of bash blocks, and what the real parser of a command says of one, without running it."""

import argparse
import importlib
import re
import shlex
from collections.abc import Sequence
from unittest.mock import patch

from doc_pages import ROOT

from detplug.cli.main import main
from detplug.engine.quiet import quiet_imports

with quiet_imports():
    from detplug.cli.config import load_config

PARSED = argparse.ArgumentParser.parse_args


class Parsed(BaseException):
    """The parser has taken the words: the command ends here. No Exception, so that no command catches it."""

    def __init__(self, namespace: argparse.Namespace):
        self.namespace = namespace


def command_lines(text: str) -> list[list[str]]:
    """The words of each command of a bash block, variables that the block sets filled in; comments are left out."""
    lines, variables = [], {}
    for line in text.replace('\\\n', ' ').splitlines():
        line = re.sub(r'\$\{?(\w+)\}?', lambda found: variables.get(found[1], found[0]), line)
        words = shlex.split(line, comments=True)
        while words and (found := re.fullmatch(r'(\w+)=(.*)', words[0])):
            variables[found[1]] = found[2]
            words = words[1:]
        if words:
            lines.append(words)
    return lines


def detplug_words(words: Sequence[str]) -> list[str] | None:
    """What ``detplug`` is given by a command line, be it written as tools/NAME.py or behind a launcher; else None."""
    if words[0] == 'detplug':
        return list(words[1:])
    for i, word in enumerate(words[:-1]):
        if found := re.fullmatch(r'tools/(\w+)\.py', word):
            return [found[1], *words[i + 1 :]]
    return None


def parse(words: Sequence[str]) -> None:
    """Let the command's parser take the words, and a config of the repository its ``--cfg-options``.

    Raises:
        SystemExit: the parser refuses them.
        UserError: the config has no such option.
    """
    arguments = list(words[1:])

    def parse_args(parser, args=None, namespace=None):
        result = PARSED(parser, args, namespace)
        if args is not None and list(args) == arguments:
            raise Parsed(result)
        return result

    with patch.object(argparse.ArgumentParser, 'parse_args', parse_args):
        try:
            status = main(words)
        except Parsed as parsed:
            given = vars(parsed.namespace)
            if given.get('cfg_options') and (ROOT / given['config']).is_file():
                load_config(ROOT / given['config'], given['cfg_options'])
            return
    raise SystemExit(status or f'{words[0]}: nothing was parsed')


def parse_module(module: str, arguments: Sequence[str]) -> None:
    """The same for ``python -m MODULE``."""
    command = importlib.import_module(module).main

    def parse_args(parser, args=None, namespace=None):
        raise Parsed(PARSED(parser, args, namespace))

    with patch.object(argparse.ArgumentParser, 'parse_args', parse_args):
        try:
            command(list(arguments))
        except Parsed:
            return
    raise SystemExit(f'{module}: nothing was parsed')

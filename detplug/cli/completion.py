"""``completion bash|zsh``: a script that completes commands, their options and file names in a shell.

``detplug completion bash >> ~/.bashrc`` (zsh: ``~/.zshrc``). Commands and options are those of detplug and of the
plugins that are installed when the script is made; make it again after another was. Commands that cannot start are left
out, and named on stderr with the reason.
"""

import argparse
import contextlib
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence

from detplug.cli.run import wrong_input
from detplug.errors import UserError

SHELLS = ('bash', 'zsh')
FORMS = {'train': ((), ('--data', 'DATA'))}  # command -> words before --help, where it has several forms
SCRIPT = """\
_detplug() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" options=
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$word"))
        return
    fi
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
    case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}}
complete -o filenames -F _detplug detplug
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the script; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='completion', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('shell', choices=SHELLS)
    args = parser.parse_args(argv)
    from detplug.cli.main import command_main, commands

    options = {}
    for name in commands():
        try:
            options[name] = options_of(lambda words, name=name: command_main(name)(words), FORMS.get(name, ((),)))
        except UserError as error:
            print(f'{name}: cannot start, so it is not completed: {error}', file=sys.stderr)
    print(script(args.shell, options), end='')
    return 0


def options_of(command: Callable[[Sequence[str]], int], forms: Sequence[Sequence[str]] = ((),)) -> list[str]:
    """The long options that ``--help`` of a command names, in all of its forms.

    Raises:
        UserError: it cannot start, such as a plugin that does not import; in one line.
    """
    text, said = io.StringIO(), io.StringIO()
    for words in forms:
        with contextlib.redirect_stdout(text), contextlib.redirect_stderr(said):
            try:
                status = command([*words, '--help'])
            except SystemExit as end:
                status = end.code
            except Exception as error:  # anybody's code
                line = wrong_input(error) or f'{type(error).__name__}: {error}'
                raise UserError(' '.join(line.split())) from error
        if status:
            raise UserError(' '.join(said.getvalue().split()) or f'--help ends with status {status}')
    return sorted(set(re.findall(r'(?<![\w-])--[a-z][\w-]*', text.getvalue())))


def script(shell: str, options: Mapping[str, Sequence[str]]) -> str:
    """The script of ``shell`` for command -> options."""
    spellings = {name: '|'.join(dict.fromkeys([name, name.replace('_', '-')])) for name in options}  # both are taken
    cases = '\n'.join(f'    {spellings[name]}) options="{" ".join(theirs)}" ;;' for name, theirs in options.items())
    text = SCRIPT.format(commands=' '.join(options), cases=cases)
    return ('autoload -U +X bashcompinit && bashcompinit\n' if shell == 'zsh' else '') + text

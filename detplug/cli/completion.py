"""``completion bash|zsh``: a script that completes commands, their options and file names in a shell.

``detplug completion bash >> ~/.bashrc`` (zsh: ``~/.zshrc``). The options are those of the plugins that are installed
when the script is made; make it again after another was.
"""

import argparse
import contextlib
import io
import re
from collections.abc import Callable, Mapping, Sequence

SHELLS = ('bash', 'zsh')
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

    options = {name: options_of(command_main(name)) for name in commands()}
    print(script(args.shell, options), end='')
    return 0


def options_of(command: Callable[[Sequence[str]], int]) -> list[str]:
    """The long options that ``--help`` of a command names; none where it cannot start, such as without [train]."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(io.StringIO()):
        try:
            command(['--help'])
        except SystemExit:
            pass
        except Exception:  # a missing extra: what else is there is completed
            return []
    return sorted(set(re.findall(r'(?<![\w-])--[a-z][\w-]*', text.getvalue())))


def script(shell: str, options: Mapping[str, Sequence[str]]) -> str:
    """The script of ``shell`` for command -> options."""
    cases = '\n'.join(f'    {name}) options="{" ".join(theirs)}" ;;' for name, theirs in options.items())
    text = SCRIPT.format(commands=' '.join(options), cases=cases)
    return ('autoload -U +X bashcompinit && bashcompinit\n' if shell == 'zsh' else '') + text

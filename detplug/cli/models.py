"""``models [NAME]``: the detectors that come with detplug; ``detplug predict NAME PICTURES --out D`` runs one."""

import json
from collections.abc import Sequence

from detplug.cli.command_parser import CommandParser
from detplug.errors import UserError
from detplug.outcome import note_outcome
from detplug.runtime.bundle import MODEL, PICTURES, input_kind, read_manifest
from detplug.runtime.bundled import bundled, card_of


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line for each, or the card of one; returns the exit status."""
    parser = CommandParser(prog='models', description=__doc__)
    parser.add_argument('name', nargs='?', help='show the card of this one')
    parser.add_argument('--json', action='store_true', help='one JSON object: name -> card, classes, size')
    args = parser.parse_args(argv)
    cards = {name: describe(name) for name in bundled()}
    if args.name is not None:
        if args.name not in cards:
            raise UserError(f'{args.name}: no such model; one of {", ".join(cards) or "none"}')
        cards = {args.name: cards[args.name]}
    note_outcome(models=cards)
    if args.json:
        print(json.dumps(cards))
    elif args.name is not None:
        show_card(args.name, cards[args.name])
    else:
        show_all(cards)
    return 0


def describe(name: str) -> dict:
    """Card, class names, input (largest side of pictures, px, or what else is given) and size in MB."""
    folder = bundled()[name]
    manifest = read_manifest(folder)
    taken = input_kind(manifest)
    if taken == PICTURES:
        taken = 'x'.join(map(str, manifest['letterbox']['scale']))
    size = round((folder / MODEL).stat().st_size / 1e6, 2)
    return card_of(folder) | {'classes': manifest['classes'], 'input': taken, 'megabytes': size}


def show_all(cards: dict[str, dict]) -> None:
    """A table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style='bold')
    for title in ('name', 'finds', 'figures', 'MB', 'data'):
        table.add_column(title, overflow='fold')  # a long word is broken, not cut off
    for name, card in cards.items():
        figures = ', '.join(f'{key} {value:.3f}' for key, value in card['figures'].items())
        table.add_row(*map(escape, (name, card['what'], figures, f'{card["megabytes"]:.1f}', card['data'])))
    console = Console()
    console.print(table)
    console.print(
        'none is a medical device or decides about persons; detplug models NAME shows the card of one', highlight=False
    )


def show_card(name: str, card: dict) -> None:
    """Every entry of the card, a line each."""
    print(name)
    for key, value in card.items():
        if isinstance(value, dict):
            value = ', '.join(f'{inner} {figure}' for inner, figure in value.items())
        print(f'  {key}: {", ".join(value) if isinstance(value, list) else value}')

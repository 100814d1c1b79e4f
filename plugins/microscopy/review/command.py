"""``detplug review RESULTS``: look at the boxes of a prediction in the browser, correct them, train again.

RESULTS is the folder that ``detplug predict`` wrote. RESULTS/review holds audit.jsonl, a line for each decision, and
corrected.json, the data set that ``train`` takes. The page is served to this machine alone; Ctrl-C ends it.
"""

import argparse
import getpass
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from detplug.cli.command_parser import CommandParser
from detplug.cli.predict import natural
from detplug.errors import UserError
from plugins.microscopy.review.corrected import CORRECTED
from plugins.microscopy.review.results import Results, read_results
from plugins.microscopy.review.review import Digests, Review

FOLDER, HOST, PORT, TOP = 'review', '127.0.0.1', 8421, 20_000


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the page until it is stopped; returns the exit status."""
    args = make_parser().parse_args(argv)
    for option in ('port', 'top') if args.write else ():
        if getattr(args, option) is not None:
            raise UserError(f'--{option}: has no effect with --write, which serves no page; leave it out')
    import uvicorn  # both here: --help needs neither

    from plugins.microscopy.review.crops import Crops
    from plugins.microscopy.review.guard import token_in
    from plugins.microscopy.review.server import CorrectedWriter, make_app

    results = read_results(Path(args.results), args.order)
    folder = results.out / FOLDER
    review = Review(results, folder, names_of(results, args.name), who(args.reviewer), Digests(results))
    writer = CorrectedWriter(review, folder)
    for line in opening(results, review, args.top or TOP):
        print(line)
    try:
        if args.write:
            return say_written(writer, folder)
        with listen(PORT if args.port is None else args.port) as listening:
            port, token = listening.getsockname()[1], token_in(folder)
            app = make_app(review, Crops(results), writer, min(args.top or TOP, len(results.boxes)), token, port)
            print(f'open http://{HOST}:{port}/?token={token}\nCtrl-C ends the review', flush=True)
            config = uvicorn.Config(app, log_level='warning', access_log=False, server_header=False, lifespan='off',
                                    timeout_graceful_shutdown=3)  # fmt: skip
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # uvicorn gives signals back when it has ended
            try:
                uvicorn.Server(config).run(sockets=[listening])
            except KeyboardInterrupt:
                pass
        return say_written(writer, folder)
    finally:
        review.log.close()


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(
        prog='detplug review', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('results', metavar='RESULTS', help='folder that detplug predict wrote')
    parser.add_argument('--order', help='uncertain, strangest, ... as of predict --queue; by default the strangest '
                        'first where the detector says it, else the least certain')  # fmt: skip
    parser.add_argument('--top', type=natural, help=f'boxes in the gallery; by default the first {TOP:,}')
    parser.add_argument('--name', action='append', default=[], help='another class that a box may be; may be repeated')
    parser.add_argument('--reviewer', help='who decides, for the audit log; by default you')
    parser.add_argument('--port', type=int, help=f'of {HOST}; by default {PORT}; 0: any that is free')
    parser.add_argument('--write', action='store_true', help=f'write {CORRECTED} of what is decided, serve no page')
    return parser


def who(reviewer: str | None) -> str:
    """Who decides, by default the user of the process.

    Raises:
        UserError: an empty name, or none that is known.
    """
    try:
        name = getpass.getuser() if reviewer is None else reviewer.strip()
    except (KeyError, OSError):  # no such user, as in containers
        name = ''
    if not name:
        raise UserError('--reviewer: who decides is not known; give a name')
    return name


def names_of(results: Results, more: Sequence[str]) -> dict[str, int]:
    """Class name -> category id that a box may have.

    Raises:
        UserError: an empty name, or one that is there already.
    """
    names = dict(results.names)
    for name in more:
        if not name.strip() or name in names:
            raise UserError(f'--name {name!r}: empty, or a class already ({", ".join(names)}); leave it out')
        names[name] = max(names.values(), default=0) + 1
    return names


def opening(results: Results, review: Review, top: int) -> list[str]:
    """What is said before the page is there."""
    boxes = len(results.boxes)
    lines = [f'{boxes} boxes in {len(results.pictures)} pictures, {len(review.log.records)} decisions so far; boxes '
             f'first {results.order.queue.help}']  # fmt: skip
    if review.log.repaired:
        lines.append(f'{review.log.path}: the last line had no end and was cut off ({review.log.repaired} bytes); '
                     'nobody was told that this decision was made')  # fmt: skip
    if results.failed:
        lines.append(f'{results.failed} pictures that predict could not use are left out')
    if boxes > top:
        lines.append(f'the gallery has the first {top} boxes; --top N for more')
    return lines


def say_written(writer, folder: Path) -> int:
    """Write corrected.json and say what it holds; returns the exit status."""
    counts = writer.now()
    if counts is None:
        raise UserError(f'{folder}: {writer.error}')
    for reason in counts['left_out']:
        print(f'left out of {CORRECTED}: {reason}')
    print(f'{counts["labels"]} labels in {counts["pictures"]} pictures, {counts["ignored"]} boxes without a decision '
          f'(ignored): {folder / CORRECTED}')  # fmt: skip
    return 0


def listen(port: int) -> socket.socket:
    """A socket of this machine alone.

    Raises:
        UserError: the port is taken, or none.
    """
    if not 0 <= port < 65536:
        raise UserError(f'--port {port}: is not from 0 to 65535')
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise UserError(
            f'--port {port}: {error.strerror}; give another one, or --port 0 for any that is free'
        ) from None

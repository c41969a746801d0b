"""The command line of `buildboard`."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NoReturn

from . import __version__, artifacts, commands
from .board import Refused, Unreachable
from .talk import BROKEN_PIPE, COULD_NOT, INTERRUPTED, CouldNot, forget_stdout, tell

STATUSES = ("queued", "running", "passed", "failed", "cancelled", "lost")
_EPILOG = """\
Where the board is and who asks: buildboard login, or BUILDBOARD_URL and BUILDBOARD_TOKEN.
Exit codes of follow, start --follow and retry --follow: 0 passed, 1 failed, 2 cancelled, 3 lost;
of every command: 4 it could not be done, 130 after Ctrl-C."""


class _Parser(argparse.ArgumentParser):
    """A wrong option is something that could not be done: 2 is a build that was cancelled."""

    verbs: Mapping[str, argparse.ArgumentParser] = {}

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(COULD_NOT, f"{self.prog}: {message}\n")


def parser() -> _Parser:
    top = _Parser(
        prog="buildboard",
        description="Start builds of a Buildboard, follow them live, and report what runs here.",
        epilog=_EPILOG,
        formatter_class=partial(argparse.RawDescriptionHelpFormatter, max_help_position=28),
    )
    top.add_argument("--version", action="version", version=f"buildboard {__version__}")
    shared = _Parser(add_help=False)
    shared.add_argument("--ca", metavar="FILE", help="certificates to trust besides the system's")
    as_json = _Parser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="for programs: JSON on stdout")
    following = _Parser(add_help=False)
    following.add_argument("--follow", action="store_true", help="print its log live, exit with its result")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    top.verbs = verbs.choices

    def verb(name: str, does: str, run: object, *parents: _Parser) -> _Parser:
        made = verbs.add_parser(name, help=does, description=does, parents=[*parents, shared])
        made.set_defaults(run=run)
        return made

    one = verb("login", "keep the address of a board and an API token, both asked for", commands.login)
    one.add_argument("url", nargs="?", metavar="URL", help="the board's address, such as https://board.example")
    verb("logout", "forget them", commands.logout)
    one = verb("projects", "list the projects, or create one", commands.projects, as_json)
    more = one.add_subparsers(title="commands", metavar="", parser_class=_Parser)
    does = "create a project"
    one = more.add_parser("create", help=does, description=does, parents=[as_json, shared])
    one.set_defaults(run=commands.create)
    one.add_argument("slug", metavar="SLUG", help="its name in addresses: letters, digits, - and _")
    one.add_argument("--name", metavar="TEXT", help="what people call it (the slug)")
    one.add_argument("--repository", metavar="URL", help="the git repository that its builds begin with")
    one.add_argument("--branch", metavar="B", help="what is built where a start names nothing else")
    one.add_argument("--recipe", metavar="FILE", help="its recipe; - reads stdin. Else that of the repository")
    one = verb("builds", "list builds, newest first", commands.builds, as_json)
    one.add_argument("--project", metavar="SLUG")
    one.add_argument("--status", choices=STATUSES)
    one.add_argument("--limit", type=_count, default=20, metavar="N", help="how many (20)")
    one = verb("start", "start a build of a project", commands.start, following, as_json)
    one.add_argument(
        "slug", metavar="PROJECT", nargs="?", help="its name in addresses (BUILDBOARD_PROJECT, .buildboard.toml)"
    )
    one.add_argument("--ref", default="", metavar="R", help="branch, tag or commit")
    one.add_argument("--input", action="append", default=[], metavar="K=V", help="a value of the recipe's input")
    one = verb("follow", "print a build's log as it is printed, exit with its result", commands.follow, as_json)
    _build(one)
    one.add_argument("--patience", type=_seconds, metavar="S", help="give up after so many seconds without the board")
    one = verb("log", "print a build's log as it is stored now", commands.log)
    _build(one)
    one.add_argument("--step", metavar="NAME", help="of this step alone")
    one.add_argument("--ansi", action="store_true", help="with colours, also where stdout is no terminal")
    _build(verb("cancel", "cancel a build", commands.cancel, as_json))
    _build(verb("retry", "start a build that repeats one that is over", commands.retry, following, as_json))
    one = verb("artifacts", "list what a build has kept, or download it", artifacts.artifacts, as_json)
    _build(one)
    one.add_argument("--download", metavar="GLOB", help="those that are like this, such as 'dist/*.whl'")
    one.add_argument("--to", metavar="DIR", default=".", help="where to (this folder)")
    one = verb("run", "run a command here, and report it to the board as a build", _run)
    one.usage = "%(prog)s [options] -- COMMAND [ARGUMENT ...]"
    one.add_argument("--project", metavar="SLUG", help="of which it is a build (BUILDBOARD_PROJECT, .buildboard.toml)")
    one.add_argument("--name", metavar="STEP", default="", help="what its step is called (the command)")
    one.add_argument("--ref", default="", metavar="R", help="branch, tag or commit")
    one.add_argument(
        "--artifact", action="append", default=[], metavar="GLOB", help="files that it leaves behind, kept on the board"
    )
    one.add_argument(
        "--patience", type=_seconds, default=60.0, metavar="S", help="tell the rest for so long after its end (60)"
    )
    one.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return top


def main(given: Sequence[str] | None = None) -> int:
    options = parser().parse_args(given)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except CouldNot as error:
        tell(f"buildboard: {error}")
    except Refused as error:
        tell(f"buildboard: {commands.explained(error)}")
    except Unreachable as error:
        tell(f"buildboard: {error}")
    except BrokenPipeError:
        forget_stdout()
        return BROKEN_PIPE
    except OSError as error:  # of a file: what sockets raise is told by then
        where = f"{error.filename}: " if error.filename else ""
        tell(f"buildboard: {where}{error.strerror or error}.")
    except KeyboardInterrupt:
        tell("")
        return INTERRUPTED
    return COULD_NOT


def _run(options: argparse.Namespace) -> int:
    try:
        from .running import run
    except ImportError as error:  # pseudo-terminals are a matter of Unix
        raise CouldNot(f"Commands are run on Unix only: {error}.") from error
    return run(options)


def _build(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("build", type=_number, metavar="N", help="the build's number")


def _number(text: str) -> int:
    text = text.removeprefix("#")
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 19):
        raise argparse.ArgumentTypeError(f"expected the number of a build, such as 42, not {text[:40]!r}")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= 10_000 and len(text) < 9):
        raise argparse.ArgumentTypeError(f"expected 1 to 10000, not {text[:40]!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 10_000_000:
        raise argparse.ArgumentTypeError(f"expected seconds, such as 600, not {text[:40]!r}")
    return found


def command() -> None:
    """What `pip install` makes a program of."""
    sys.exit(main())


if __name__ == "__main__":
    command()

"""`buildboard`, the command-line client: starts builds, follows them, reports what runs here. Standard library only.

    environment.py   where the board is and who asks: variables, and the file that `login` writes
    address.py       addresses of boards and proxies
    board.py         one board over HTTP: JSON, problem details, streams, and what may carry the token
    sse.py           server-sent events: bytes in, messages out
    feed.py          every event of a build exactly once, whatever happens to the connection
    looks.py         tables, colours and times as a terminal shows them
    talk.py          what is said to whoever typed the command, and the codes to exit with
    following.py     `follow`, and `start` and `retry` with `--follow`
    commands.py      the other commands
    running.py       `run`: a command is run here, shown here, and reported to the board as a build
    program.py       that command, on a pseudo-terminal
    report.py        what tells the board of it, in a thread of its own
    spool.py         lines on their way to the board: on disk, bounded
    artifacts.py     `artifacts`: listed, and downloaded whole or not at all
    __main__.py      the command line
    wheel.py         what pip calls to install all this, and nothing of the board itself

It imports `buildboard.terminal` and nothing else of the project; `pip install` of a checkout needs no Django.
"""

__version__ = "0.1.0"

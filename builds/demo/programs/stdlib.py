"""Byte-compile a private copy of Python's standard library into the current folder, a line per file.

    stdlib.py copy       lib/: the modules, without tests and without what was installed beside them
    stdlib.py compile    out/: each by an interpreter of its own, as a C compiler would be called
    stdlib.py optimise   out/: again with -O and -OO, all in this process
    stdlib.py check      take every module apart and put it together again; read back what was compiled

A program of the demo project, standard library only. It tells its progress by the terminal's progress sequence.
"""

import ast
import importlib.util
import marshal
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

LIB = Path("lib")
OUT = Path("out")
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "turtledemo", "ensurepip"}
ONE_FILE = """
import importlib.util, marshal, sys
source, target = sys.argv[1:]
data = open(source, "rb").read()
code = compile(data, source, "exec", dont_inherit=True)
with open(target, "wb") as file:
    file.write(importlib.util.MAGIC_NUMBER + (3).to_bytes(4, "little") + importlib.util.source_hash(data))
    file.write(marshal.dumps(code))
"""

GREEN, RED, BLUE, DIM, BOLD, PLAIN = (f"\x1b[{code}m" for code in ("32", "31", "34", "2", "1", "0"))


def copy() -> int:
    origin = Path(sysconfig.get_paths()["stdlib"])
    say(f"{BOLD}Python {sys.version.split()[0]}{PLAIN}, standard library in {origin}")
    sources = [path for path in sorted(origin.rglob("*.py")) if not LEFT_OUT & set(path.relative_to(origin).parts)]
    size = 0
    for name, path in progress(sources, origin):
        target = LIB / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        size += path.stat().st_size
    say(f"{GREEN}{len(sources)} modules, {size / 1e6:.1f} MB{PLAIN}")
    return 0 if sources else complain("there is no standard library here")


def compile_each() -> int:
    def one(path: Path, target: Path) -> None:
        done = subprocess.run(  # noqa: S603 - this very interpreter, on the copy that was made
            [sys.executable, "-I", "-S", "-c", ONE_FILE, str(path), str(target)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SyntaxError(done.stderr.strip().rpartition("\n")[2])

    return compile_all("", one)


def optimise() -> int:
    return compile_all(".opt-1", in_process(1)) or compile_all(".opt-2", in_process(2))


def in_process(level: int) -> Callable[[Path, Path], None]:
    def one(path: Path, target: Path) -> None:
        data = path.read_bytes()
        code = compile(data, str(path), "exec", dont_inherit=True, optimize=level)
        target.write_bytes(
            importlib.util.MAGIC_NUMBER
            + (3).to_bytes(4, "little")
            + importlib.util.source_hash(data)
            + marshal.dumps(code)
        )

    return one


def compile_all(kind: str, one: Callable[[Path, Path], None]) -> int:
    sources = sorted(LIB.rglob("*.py"))
    failed = 0
    for number, (name, path) in enumerate(progress(sources, LIB), start=1):
        target = (OUT / name).with_suffix(f"{kind}.pyc")
        target.parent.mkdir(parents=True, exist_ok=True)
        count = f"{DIM}[{number:>{len(str(len(sources)))}}/{len(sources)}]{PLAIN}"
        try:
            one(path, target)
        except (SyntaxError, ValueError, RecursionError) as error:
            failed += 1
            say(f"{count} {RED}{name}: {error}{PLAIN}")
        else:
            say(f"{count} {name} {GREEN}{target.stat().st_size:,}{PLAIN} bytes")
    if failed:
        return complain(f"{failed} of {len(sources)} modules do not compile")
    say(f"{GREEN}{len(sources)} modules compiled{PLAIN} {kind.lstrip('.')}")
    return 0


def check() -> int:
    """Compiled code has to belong to its source, and a module printed from its syntax tree has to be the same one."""
    wrong = total = 0
    sources = sorted(LIB.rglob("*.py"))
    for name, path in progress(sources, LIB):
        data = path.read_bytes()
        compiled = (OUT / name).with_suffix(".pyc").read_bytes()
        code = marshal.loads(compiled[16:])  # noqa: S302 - written by the step before
        tree = ast.parse(data)
        again = ast.parse(ast.unparse(tree))
        functions = count_functions(code)
        total += functions
        if compiled[8:16] == importlib.util.source_hash(data) and ast.dump(tree) == ast.dump(again):
            say(f"{GREEN}ok{PLAIN} {name} {DIM}{functions} functions{PLAIN}")
        else:
            wrong += 1
            say(f"{RED}differs{PLAIN} {name}")
    say(f"{BOLD}{len(sources)} modules, {total:,} functions{PLAIN}")
    return complain(f"{wrong} modules differ") if wrong else 0


def count_functions(code: CodeType) -> int:
    return 1 + sum(count_functions(part) for part in code.co_consts if isinstance(part, CodeType))


def progress(paths: list[Path], origin: Path) -> Iterator[tuple[str, Path]]:
    """Each path with its name below `origin`; tells the terminal how far it is."""
    shown = -1
    for number, path in enumerate(paths):
        percent = number * 100 // len(paths)
        if percent != shown:
            shown = percent
            sys.stdout.write(f"\x1b]9;4;1;{percent}\x1b\\")
        yield path.relative_to(origin).as_posix(), path
    sys.stdout.write("\x1b]9;4;0;0\x1b\\")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def complain(line: str) -> int:
    say(f"{RED}{line}{PLAIN}")
    return 1


if __name__ == "__main__":
    verbs = {"copy": copy, "compile": compile_each, "optimise": optimise, "check": check}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(f"usage: stdlib.py {' | '.join(verbs)}")
    sys.exit(verbs[sys.argv[1]]())

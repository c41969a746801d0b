"""What pip calls to install the client from a checkout (PEP 517, PEP 660): `buildboard/client`, `buildboard/terminal`
and the command `buildboard`, and nothing of the board itself. It needs no package besides Python, and so no network.
"""

import base64
import hashlib
import io
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("buildboard/__init__.py", "buildboard/client/*.py", "buildboard/terminal/*.py")
HERE = "buildboard/client/wheel.py"
_LONG_AGO = (2020, 1, 1, 0, 0, 0)
"""So that the same files are the same wheel."""


def build_wheel(folder: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    return _wheel(folder, {name: (ROOT / name).read_bytes() for name in files() if name != HERE})


def build_editable(folder: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """`pip install -e`: the command runs this checkout, as it stands."""
    return _wheel(folder, {"buildboard-client.pth": f"{ROOT}\n".encode()})


def build_sdist(folder: str, config_settings: Any = None) -> str:
    project = _project()
    name = f"{project['name']}-{project['version']}"
    with tarfile.open(Path(folder) / f"{name}.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as out:
        for file in ["pyproject.toml", *files()]:
            out.add(ROOT / file, f"{name}/{file}")
        _add(out, f"{name}/PKG-INFO", _metadata(project))
    return f"{name}.tar.gz"


def files() -> list[str]:
    """What is installed, as paths in the checkout."""
    return sorted(str(path.relative_to(ROOT)) for part in PARTS for path in ROOT.glob(part))


def _wheel(folder: str, contents: dict[str, bytes]) -> str:
    project = _project()
    info = f"{project['name']}-{project['version']}.dist-info"
    scripts = "".join(f"{name} = {place}\n" for name, place in project["scripts"].items())
    contents |= {
        f"{info}/METADATA": _metadata(project),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: buildboard\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{scripts}".encode(),
    }
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    made = f"{project['name']}-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(Path(folder) / made, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            out.writestr(entry, data)
    return made


def _project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def _metadata(project: dict[str, Any]) -> bytes:
    return (
        "Metadata-Version: 2.1\n"
        f"Name: {project['name']}\nVersion: {project['version']}\nSummary: {project['description']}\n"
        f"Requires-Python: {project['requires-python']}\n"
    ).encode()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def _add(out: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    out.addfile(entry, io.BytesIO(data))

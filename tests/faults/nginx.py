"""A real nginx in front of the webs: one site as deploy/nginx.conf has it, and one that holds streams back."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support import ROOT
from tests.support.processes import Process, eventually, free_port

from .proxy import answers

_SITE = """
    server {{
        listen 127.0.0.1:{port};
        {body}
    }}
"""
_PLAIN = """location / {{
            proxy_pass http://{target};
            proxy_set_header Host $host;
        }}"""
"""As most sites have it, by nginx's own defaults: HTTP/1.0, and buffering but for answers that forbid it. The header
that does so goes no further. (Over HTTP/1.1 a chunked answer comes through, buffering or not.)"""
_BUFFERING = """location / {
        proxy_pass http://buildboard;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_ignore_headers X-Accel-Buffering;
        proxy_hide_header X-Accel-Buffering;
        proxy_buffering on;
    }"""


def binary() -> str | None:
    """Where nginx is on this machine; None: nowhere."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")


def recommended() -> str:
    """What deploy/nginx.conf says of how to pass requests on."""
    found = re.search(
        r"^    location / \{.*?^    \}", (ROOT / "deploy/nginx.conf").read_text(), re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise AssertionError("deploy/nginx.conf has no `location /`")
    return found[0]


class Nginx:
    """`good` and `bad` are its ports: of the site as it is recommended, and of the one that buffers."""

    def __init__(self, program: str, webs: Sequence[int]) -> None:
        self.good, self.bad = free_port(), free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="bb-nginx-"))
        (self._folder / "nginx.conf").write_text(self._configuration(webs))
        command = [program, "-p", str(self._folder), "-c", "nginx.conf", "-e", "stderr"]
        self._process = Process(command, cwd=self._folder)
        eventually(lambda: answers(self.good), 20, lambda: f"nginx did not start:\n{self._process.output()}")

    def close(self) -> None:
        self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _configuration(self, webs: Sequence[int]) -> str:
        return self._whole(
            _SITE.format(port=self.good, body=recommended()) + _SITE.format(port=self.bad, body=_BUFFERING), webs
        )

    def _whole(self, sites: str, webs: Sequence[int]) -> str:
        servers = " ".join(f"server 127.0.0.1:{port};" for port in webs)
        temporary = " ".join(
            f"{name}_temp_path {self._folder / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"""
daemon off;
master_process off;
pid {self._folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    {temporary}
    upstream buildboard {{ {servers} keepalive 32; }}
    {sites}
}}
"""


class TwoLayers(Nginx):
    """One site in front of another: streams come through `inner`, which consumes what `outer` would have to be told.
    `hasty` does as is recommended, but cuts every silence of four seconds."""

    def __init__(self, program: str, webs: Sequence[int]) -> None:
        self.inner, self.outer, self.hasty = free_port(), free_port(), free_port()
        super().__init__(program, webs)

    def _configuration(self, webs: Sequence[int]) -> str:
        inner = _SITE.format(port=self.inner, body=_PLAIN.format(target="buildboard"))
        outer = _SITE.format(port=self.outer, body=_PLAIN.format(target=f"127.0.0.1:{self.inner}"))
        hasty = recommended().replace("proxy_read_timeout 75s", "proxy_read_timeout 4s")
        good = _SITE.format(port=self.good, body=recommended())  # what the start waits for
        return self._whole(good + inner + outer + _SITE.format(port=self.hasty, body=hasty), webs)

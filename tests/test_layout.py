"""What lies in the checkout beside the code: commands, documents, files for deployment."""

import configparser
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote

from django.core.management import get_commands, load_command_class
from django.test import SimpleTestCase, tag
from django.urls import get_resolver

from .support import ROOT, missing

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@tag("fast")
class DocumentsTest(SimpleTestCase):
    def test_every_link_to_a_file_leads_to_one(self) -> None:
        for document in DOCUMENTS:
            for link in LINK.findall(document.read_text()):
                if "://" not in link:
                    with self.subTest(f"{document.name}: {link}"):
                        self.assertTrue((document.parent / unquote(link)).exists())

    def test_the_index_names_every_document(self) -> None:
        index = (ROOT / "docs/index.md").read_text()
        for document in (ROOT / "docs").glob("*.md"):
            self.assertTrue(document.name == "index.md" or f"({document.name})" in index, document.name)

    def test_every_command_of_the_board_is_in_the_readme(self) -> None:
        readme = (ROOT / "README.md").read_text()
        for name, app in get_commands().items():
            if app == "builds":
                self.assertIn(f"manage.py {name}", readme)
                self.assertTrue(load_command_class(app, name).help)

    def test_the_words_of_the_readme_are_the_makefiles(self) -> None:
        makefile = (ROOT / "Makefile").read_text()
        for word in ("run", "test", "lint", "fmt", "bench"):
            self.assertRegex(makefile, rf"(?m)^{word}:")
            self.assertIn(f"make {word}", (ROOT / "README.md").read_text())

    def test_the_paths_of_the_readme_exist(self) -> None:
        patterns = [str(pattern.pattern) for pattern in get_resolver().url_patterns[-1].url_patterns]
        for path in ("builds/<int:build_id>/events/", "builds/<int:build_id>/log.txt", "events.json", "readyz"):
            self.assertIn(path, patterns)


@tag("fast")
class DeploymentTest(SimpleTestCase):
    def test_ci_is_a_program(self) -> None:
        self.assertTrue(os.access(ROOT / ".ci/run", os.X_OK))
        self.assertTrue(os.access(ROOT / "manage.py", os.X_OK))
        subprocess.run(["bash", "-n", ROOT / ".ci/run"], check=True)

    def test_the_units_start_commands_that_exist(self) -> None:
        for name in ("web", "worker"):
            unit = configparser.ConfigParser(strict=False, interpolation=None)
            unit.optionxform = str  # type: ignore[assignment,method-assign]
            unit.read(ROOT / f"deploy/buildboard-{name}.service")
            words = unit["Service"]["ExecStart"].split()
            self.assertEqual(words[1:3], ["manage.py", name])
            parser = load_command_class("builds", name).create_parser("manage.py", name)
            parser.parse_args(words[3:])

    def test_the_example_environment_has_only_known_variables(self) -> None:
        readme = (ROOT / "README.md").read_text()
        for line in (ROOT / "deploy/buildboard.env.example").read_text().splitlines():
            if line and not line.startswith("#"):
                self.assertIn(f"| `{line.partition('=')[0]}` |", readme)


class NginxTest(SimpleTestCase):
    def test_nginx_takes_the_site(self) -> None:
        nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
        openssl = shutil.which("openssl")
        if not nginx or not openssl:
            missing("nginx and openssl")
        folder = Path(tempfile.mkdtemp(prefix="bb-nginx-"))
        self.addCleanup(shutil.rmtree, folder)
        key, certificate = folder / "board.key", folder / "board.pem"
        subprocess.run(
            [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=board.example"]
            + ["-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        site = (ROOT / "deploy/nginx.conf").read_text()
        site = site.replace("/etc/ssl/board.example.pem", str(certificate))
        site = site.replace("/etc/ssl/board.example.key", str(key))
        (folder / "site.conf").write_text(site)
        (folder / "nginx.conf").write_text(
            f"pid {folder}/pid; error_log stderr; events {{}} http {{ access_log off; include {folder}/site.conf; }}"
        )
        done = subprocess.run(
            [nginx, "-t", "-c", folder / "nginx.conf", "-p", folder], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)

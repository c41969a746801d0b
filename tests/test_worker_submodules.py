"""What a repository has elsewhere: submodules and files of Git LFS."""

import shutil
import subprocess

from tests.support.repositories import ENV, Origin, needs

from .checkouts import CheckoutCase


class SubmoduleTest(CheckoutCase):
    def setUp(self) -> None:
        super().setUp()
        self.inner = Origin(self.folder / "srv/inner")
        self.inner.commit({"inner.txt": "deep"})
        self.library = Origin(self.folder / "srv/library")
        self.library.commit({"lib.txt": "lib"})
        self.add(self.library, "../inner", "inner")
        self.library.commit()
        self.origin.commit({"a": "1"})
        self.add(self.origin, "../library", "libs/library")
        self.origin.commit()

    def add(self, origin: Origin, url: str, path: str) -> None:
        origin.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--", url, path)

    def test_submodules_and_theirs_only_where_the_project_asks_for_them(self) -> None:
        self.checked_out()
        self.assertEqual(list((self.checkouts.work / "libs/library").iterdir()), [])
        for depth in (None, 1):
            self.checked_out(submodules=True, depth=depth)
            self.assertEqual((self.checkouts.work / "libs/library/lib.txt").read_text(), "lib")
            self.assertEqual((self.checkouts.work / "libs/library/inner/inner.txt").read_text(), "deep")

    def test_a_submodule_elsewhere_is_refused_before_git_goes_there(self) -> None:
        secret = Origin(self.folder / "private/secret")
        secret.commit({"secret.txt": "x"})
        for url in (
            str(secret.path),
            f"file://{secret.path}",
            "ext::touch x",
            "http://git.example/x",
            "--upload-pack=x",
        ):
            text = f'[submodule "libs/library"]\n\tpath = libs/library\n\turl = {url}\n'
            self.origin.commit({".gitmodules": text})
            self.run_(self.origin.path, submodules=True)
            self.assertEqual(self.checkouts.code, 1, url)
            self.assertEqual(list((self.checkouts.work / "libs/library").iterdir()), [])
            self.assertNotIn("secret.txt", self.checkouts.said)

    def test_one_that_has_itself_has_an_end(self) -> None:
        self.add(self.inner, "../inner", "again")
        self.inner.commit()
        self.add(self.origin, "../inner", "own")
        self.origin.git("-C", "own", "pull", "-q")
        self.origin.commit()
        self.run_(self.origin.path, submodules=True)
        self.assertLessEqual(len(list(self.checkouts.work.rglob("inner.txt"))), 10)


def keep_large(origin: Origin, text: str) -> None:
    """Git LFS keeps its file big.bin."""
    origin.git("config", "filter.lfs.clean", "git-lfs clean -- %f")
    origin.git("config", "filter.lfs.process", "git-lfs filter-process")
    origin.write({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": text})
    origin.git("add", "-A", ".")
    origin.git("commit", "-q", "-m", "A large file")


class LfsTest(CheckoutCase):
    def setUp(self) -> None:
        super().setUp()
        needs("git-lfs")
        keep_large(self.origin, "large" * 1000)

    def big(self) -> str:
        return (self.checkouts.work / "big.bin").read_text()

    def test_what_lfs_keeps_only_where_the_project_asks_for_it(self) -> None:
        self.checked_out()
        self.assertTrue(self.big().startswith("version https://git-lfs"))
        self.assertIn("they are pointers", self.checkouts.said)
        self.checked_out(lfs=True)
        self.assertEqual(self.big(), "large" * 1000)
        self.assertEqual(self.checkouts.git("status", "--porcelain"), "")
        # A second time it is kept beside the mirror.
        shutil.rmtree(self.origin.path / ".git/lfs")
        self.checked_out(lfs=True)
        self.assertEqual(self.big(), "large" * 1000)

    def test_what_lfs_keeps_of_submodules_and_theirs(self) -> None:
        inner = Origin(self.folder / "srv/inner")
        keep_large(inner, "deep" * 1000)
        library = Origin(self.folder / "srv/library")
        library.commit({"lib.txt": "lib"})
        library.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--", "../inner", "inner")
        library.commit()
        url = "../library"
        self.origin.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "--", url, "libs/library")
        self.origin.commit()
        for depth in (None, 1):
            self.checked_out(submodules=True, lfs=True, depth=depth)
            self.assertEqual(self.big(), "large" * 1000)
            self.assertEqual((self.checkouts.work / "libs/library/inner/big.bin").read_text(), "deep" * 1000)
            self.assertEqual(self.checkouts.git("status", "--porcelain"), "")
        self.checked_out(lfs=True)
        self.assertEqual(list((self.checkouts.work / "libs/library").iterdir()), [])
        inner.commit({".lfsconfig": "[lfs]\n\turl = file:///etc\n"})
        library.git("-C", "inner", "pull", "-q")
        library.commit()
        self.origin.git("-C", "libs/library", "pull", "-q")
        self.origin.commit()
        self.fails(".lfsconfig names an address that is not taken", submodules=True, lfs=True)

    def test_without_git_lfs_it_says_so(self) -> None:
        bin_ = self.folder / "bin"
        bin_.mkdir()
        (bin_ / "git").symlink_to(shutil.which("git"))
        done = subprocess.run(
            self.checkouts.order(self.origin.path, lfs=True),
            env=ENV | {"PATH": str(bin_)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.assertIn("this worker has no git-lfs", done.stdout)

    def test_an_address_of_lfsconfig_that_is_not_taken(self) -> None:
        for url in ("file:///etc", "http://git.example/lfs", "https://alice:pw@host/x"):
            self.origin.commit({".lfsconfig": f"[lfs]\n\turl = {url}\n"})
            self.fails(".lfsconfig names an address that is not taken", lfs=True)

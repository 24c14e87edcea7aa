"""A real browser for tests: the Chromium on ``PATH``, else one that is fetched once into ``.cache/``.

Chromium is in no package index for Python. The npm package that is used here carries a headless one for x86-64 Linux,
with the libraries and a font that a slim machine lacks. It is a test tool; nothing of it is shipped.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import brotli
from playwright.sync_api import Browser, sync_playwright

from tests.support.npm import Package, PackageMissingError, cache, require_linux_x86_64

ON_PATH: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGE: Final = Package(
    "@sparticuz/chromium",
    "147.0.0",
    "e1929e01041af2ea769adebbe6a4a2b73b4b75b42b95ff0129d0b99da79aa7ee"
    "4cbf5395d4e94974fa14f84242fe9e6c414254426378afeab9f8485a68e507a5",
)
FONTS: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">.</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
"""


@dataclass(frozen=True)
class Chromium:
    """Where a browser is, and the environment that it needs."""

    binary: Path
    environ: dict[str, str]

    @contextmanager
    def running(self) -> Iterator[Browser]:
        """The browser, without a window."""
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=self.binary,
                # Without the sandbox, which refuses to be run by root; without the process that forks the others, which
                # needs it.
                chromium_sandbox=False,
                args=["--no-zygote"],
                env={**os.environ, **self.environ},
            )
            try:
                yield browser
            finally:
                browser.close()


def find_chromium() -> Chromium:
    """The browser to test with.

    Raises:
        PackageMissingError: There is none on ``PATH``, and none can be fetched; the message says what to do.
    """
    on_path = next((found for found in map(shutil.which, ON_PATH) if found), None)
    if on_path is not None:
        return Chromium(Path(on_path), {})
    with cache("chromium") as directory:
        home = directory / PACKAGE.version
        if not home.exists():
            try:
                _fetch(home)
            except PackageMissingError as error:
                raise PackageMissingError(f"none of {', '.join(ON_PATH)} is on PATH, and {error}") from error
    libraries, fonts = str(home / "lib"), str(home / "fonts")
    return Chromium(home / "chromium", {"LD_LIBRARY_PATH": libraries, "FONTCONFIG_PATH": fonts})


def _fetch(home: Path) -> None:
    require_linux_x86_64("a Chromium")
    draft = home.with_suffix(".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    with tarfile.open(fileobj=io.BytesIO(PACKAGE.fetch())) as package:

        def content(name: str) -> bytes:
            file = package.extractfile(f"package/bin/{name}.br")
            assert file is not None
            unpacked: bytes = brotli.decompress(file.read())
            return unpacked

        (draft / "chromium").write_bytes(content("chromium"))
        for name in ("al2023.tar", "fonts.tar"):
            with tarfile.open(fileobj=io.BytesIO(content(name))) as inner:
                inner.extractall(draft, filter="data")
    (draft / "chromium").chmod(0o755)
    # The package's own names the directories of one cloud.
    (draft / "fonts.conf").unlink()
    (draft / "fonts" / "fonts.conf").write_text(FONTS)
    draft.rename(home)

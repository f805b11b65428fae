"""A data set by its name: downloaded beside its place, checked, unpacked, and moved there when it is whole."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock, Timeout

from rdpp.config import ConfigError, require
from rdpp.data import list_categories
from rdpp.download.sources import Source
from rdpp.download.transfer import Progress, ResumingDownloader
from rdpp.download.unpacking import Limits, moved, unpack
from rdpp.folders import ensure_writable, write_whole

_ARCHIVE, _PART = "archive", "archive.part"


@dataclass(frozen=True)
class Place:
    """Where a data set is put, and what lies beside it."""

    target: Path

    @property
    def work(self) -> Path:
        """What is downloaded and unpacked, until it is whole."""
        return self.target.with_name(f"{self.target.name}.download")

    @property
    def receipt(self) -> Path:
        """Address, size and SHA-256 of the archive that was unpacked. It stays."""
        return self.target.with_name(f"{self.target.name}.download.json")

    def recorded_sha256(self, name: str) -> str | None:
        """Of an earlier download of the same data set to this place."""
        if not self.receipt.is_file():
            return None
        data = json.loads(self.receipt.read_text())
        return data["sha256"] if data["name"] == name else None


def download(
    name: str,
    source: Source,
    target: Path,
    progress: Progress,
    *,
    url: str | None = None,
    tell: Callable[[str], None] = print,
    limits: Limits | None = None,
    **transfer: Any,
) -> list[str]:
    """Download a data set into a folder that is empty or does not exist yet.

    Args:
        name: of the data set.
        source: where it comes from.
        target: the folder.
        progress: is told how far the transfer has come.
        url: a mirror's, instead of the source's.
        tell: is given lines for a person.
        limits: of the archive.
        transfer: settings of `ResumingDownloader`.

    Returns:
        Its categories.

    Raises:
        ConfigError: it must be fetched by hand, the folder is in use, the server refuses or sent another file, or the
            archive is not to be trusted.
    """
    address = url or source.url
    if address is None:
        raise ConfigError(
            f"{source.title} is fetched by hand: {source.by_hand}. See {source.page}, unpack it, and look at it with "
            "rdpp data check DIR; a mirror that you trust can be named with --url"
        )
    require(address.startswith(("https://", "http://")), f"--url must begin with https:// or http://, got {address}")
    place = Place(target.expanduser().absolute())
    empty = not place.target.exists() or (place.target.is_dir() and not any(place.target.iterdir()))
    require(empty, f"{target} is there and not empty; name another folder, or remove it")
    ensure_writable(place.work, "name another folder")
    try:
        with FileLock(place.work / "lock", timeout=0):
            categories = _fetch(name, source, place, address, progress, tell, limits, transfer)
    except Timeout:
        raise ConfigError(f"another process downloads to {target} at this moment") from None
    shutil.rmtree(place.work)
    return categories


def _fetch(
    name: str,
    source: Source,
    place: Place,
    url: str,
    progress: Progress,
    tell: Callable[[str], None],
    limits: Limits | None,
    transfer: dict[str, Any],
) -> list[str]:
    known, whose = source.sha256, "its publisher's"
    if known is None:
        known, whose = place.recorded_sha256(name), "the one of the first download"
    downloader = ResumingDownloader(place.work / _PART, progress, **transfer)
    archive = _transferred(url, known, whose, downloader, place)
    with tempfile.TemporaryDirectory(dir=place.work, prefix="unpacked-") as scratch:
        tell(f"unpacking {archive.stat().st_size:,} bytes")
        try:
            root = _unpacked(archive, source, Path(scratch), limits)
            categories = list_categories(root, source.reader)
        except ConfigError as error:
            archive.unlink()
            raise ConfigError(f"the file from {url} was removed: {error}") from None
        receipt = {"name": name, "url": url, "bytes": archive.stat().st_size, "sha256": pooch.file_hash(str(archive))}
        write_whole(place.receipt, json.dumps(receipt, indent=1))
        if known is None:
            tell(f"nobody publishes its SHA-256; the one of this download is recorded in {place.receipt}")
        moved(root, place.target)
    return categories


def _transferred(url: str, known: str | None, whose: str, downloader: ResumingDownloader, place: Place) -> Path:
    """The whole archive, with the digest that it should have."""
    pooch.get_logger().setLevel(logging.WARNING)
    takes: Any = downloader  # pooch calls it as (url, file, pooch); its annotation says otherwise
    try:
        return Path(pooch.retrieve(url, known, fname=_ARCHIVE, path=place.work, downloader=takes))
    except ConfigError:
        raise
    except ValueError as error:  # pooch has removed the file
        found = str(error).partition(" but got ")[2].partition(".")[0] or "another"
        raise ConfigError(
            f"{url} sent another file: its SHA-256 is {found}, and {whose} is {known}; it was removed. Name a mirror "
            "with --url"
        ) from None
    except requests.RequestException as error:
        raise ConfigError(f"the download ended: {' '.join(str(error).split())[:400]}") from None


def _unpacked(archive: Path, source: Source, scratch: Path, limits: Limits | None) -> Path:
    """The folder that is the data set."""
    folder = scratch / "content"
    folder.mkdir()
    unpack(archive, folder, limits)
    if source.top is None:
        return folder
    require((folder / source.top).is_dir(), f"it has no folder {source.top}")
    return folder / source.top

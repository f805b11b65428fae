"""Archives of strangers: nothing leaves the folder, nothing links, and nothing grows without bounds."""

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from rdpp.config import ConfigError

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, lzma.LZMAError, zlib.error)
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Limits:
    """What an archive may come to. The largest data set that is known here has 53 GB and 150,000 files."""

    size: int = 200 * 10**9
    """Bytes of all files."""
    ratio: int = 100
    """Those bytes by the archive's; images hardly shrink in an archive, those without compression twentyfold."""
    small: int = 10**8
    """Bytes up to which the ratio does not matter."""
    files: int = 1_000_000


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack a tar (also with gz, bz2, xz) or zip file into an empty folder.

    Raises:
        ConfigError: no such archive, a damaged one, or one with a path that leaves the folder, a link, a device, or
            more than the limits allow.
    """
    meter = _Meter(limits or Limits(), archive.stat().st_size)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, folder, meter)
        elif tarfile.is_tarfile(archive):
            _unpack_tar(archive, folder, meter)
        else:
            raise ConfigError("it is neither a tar nor a zip file")
    except _DAMAGED as error:
        raise ConfigError(f"it is damaged ({' '.join(str(error).split())[:200]})") from None


def _unpack_tar(archive: Path, folder: Path, meter: "_Meter") -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            _check_name(member.name)
            if not (member.isdir() or (member.isreg() and not member.issparse())):
                raise ConfigError(f"it holds a link, a device or a sparse file, {_shown(member.name)}")
            meter.count(member.size)
            tar.extract(member, folder, filter="data")


def _unpack_zip(archive: Path, folder: Path, meter: "_Meter") -> None:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            _check_name(info.filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or info.flag_bits & _ENCRYPTED:
                raise ConfigError(f"it holds a link, a device or an encrypted file, {_shown(info.filename)}")
            meter.count(info.file_size)  # no more comes: zipfile reads up to this size
            path = folder / info.filename
            if info.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with file.open(info) as source, path.open("xb") as target:
                shutil.copyfileobj(source, target)


def _check_name(name: str) -> None:
    """Raise ConfigError for a path that is no plain one below the folder, on whichever system."""
    windows = PureWindowsPath(name)
    plain = PurePosixPath(name)
    if plain.is_absolute() or windows.drive or windows.root or ".." in windows.parts or "\0" in name:
        raise ConfigError(f"it holds a path that leaves the folder, {_shown(name)}")


def _shown(name: str) -> str:
    return ascii(name[:100])


class _Meter:
    """Counts what an archive unfolds to, before it is written."""

    def __init__(self, limits: Limits, packed: int) -> None:
        self._limits, self._packed = limits, packed
        self._size = self._files = 0

    def count(self, size: int) -> None:
        """One more member. ConfigError: that is too much."""
        self._size, self._files = self._size + size, self._files + 1
        limits = self._limits
        too_large = self._size > limits.size
        too_dense = self._size > max(limits.small, limits.ratio * self._packed)
        if too_large or too_dense or self._files > limits.files:
            raise ConfigError(
                f"it unfolds to more than {self._size - size:,} bytes or {self._files - 1:,} files, from "
                f"{self._packed:,}: more than a data set has"
            )


def moved(unpacked: Path, target: Path) -> None:
    """Move an unpacked folder to its place, which is empty or does not exist."""
    if target.exists():
        target.rmdir()
    os.replace(unpacked, target)

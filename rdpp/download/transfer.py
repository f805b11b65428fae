"""One file over HTTP: an interrupted transfer goes on where it ended, also in another process.

pooch compares the digest and moves the file to its place; see `fetch`. Its own downloader begins anew each time, so
this one takes its place.
"""

import contextlib
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import requests
from requests.exceptions import ChunkedEncodingError, ConnectionError, ContentDecodingError, Timeout

from rdpp.config import ConfigError
from rdpp.folders import write_whole

_PARTIAL, _OK, _TOO_FAR = 206, 200, 416
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which a server may do better."""


class Progress(Protocol):
    """Is told how far a transfer has come."""

    def at(self, done: int, total: int | None) -> None:
        """So many bytes of so many; None where the server does not say."""
        ...


class _Broken(Exception):
    """A transfer ended early."""


@dataclass
class ResumingDownloader:
    """A downloader as pooch takes it. What has come lies in `part` until the file is whole."""

    part: Path
    progress: Progress
    tries: int = 5
    """In a row without a byte more than before."""
    timeout: float = 30.0
    """Seconds without a byte, after which a server has stalled; also for the connection."""
    pause: float = 2.0
    """Seconds before the next try; twice as long after each further one in a row."""

    chunk: int = 1 << 18
    """Bytes that are written at once; so many are lost when a transfer breaks off."""

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download to a file.

        Raises:
            ConfigError: the server refuses, or there is no room on the disk.
            ConnectionError: it cannot be reached, or stalls or breaks off again and again.
        """
        furthest, failed = self._size(), 0
        while True:
            try:
                self._transfer(url)
                break
            except (_Broken, ConnectionError, Timeout, ChunkedEncodingError, ContentDecodingError) as error:
                failed = 0 if self._size() > furthest else failed + 1
                furthest = max(furthest, self._size())
                if failed >= self.tries:
                    raise ConnectionError(
                        f"{url} broke off {failed} times in a row ({' '.join(str(error).split())[:200]}); "
                        f"{self._size():,} bytes are kept: the same command goes on from there"
                    ) from None
                time.sleep(self.pause * 2 ** max(0, failed - 1))
        os.replace(self.part, output_file)
        self._notes().unlink(missing_ok=True)

    def _transfer(self, url: str) -> None:
        """One request, from where the part ends."""
        have = self._size()
        with requests.get(url, headers=self._headers(have), stream=True, timeout=self.timeout) as answer:
            if answer.status_code == _TOO_FAR:
                if have == self._total(answer, 0):
                    return
                self._drop()
                raise _Broken("the part did not fit the server's file, and was removed")
            self._check(answer, url)
            start = self._start(answer, have)
            total = self._total(answer, start)
            self._check_room(total, start)
            validator = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            write_whole(self._notes(), json.dumps({"validator": validator, "total": total}))
            self._write(answer, start, total)

    def _write(self, answer: requests.Response, start: int, total: int | None) -> None:
        with self.part.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            done = start
            self.progress.at(done, total)
            for chunk in answer.iter_content(self.chunk):
                file.write(chunk)
                done += len(chunk)
                self.progress.at(done, total)
        if total is not None and done < total:
            raise _Broken(f"{done:,} of {total:,} bytes came")

    def _headers(self, have: int) -> dict[str, str]:
        """Ask for the rest, if the file is still the one that the part is of."""
        plain = {"Accept-Encoding": "identity"}
        with contextlib.suppress(FileNotFoundError):
            validator = json.loads(self._notes().read_text())["validator"]
            if have and validator and not validator.startswith("W/"):
                return {**plain, "Range": f"bytes={have}-", "If-Range": validator}
        return {**plain, "Range": f"bytes={have}-"} if have else plain

    def _start(self, answer: requests.Response, have: int) -> int:
        """Where the answer's first byte belongs: a server may pass over what was asked, and send all of the file."""
        if answer.status_code == _OK:
            return 0
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        known = self._known_total()
        if not found or int(found[1]) != have or (known is not None and found[2] not in ("*", str(known))):
            self._drop()
            raise _Broken("the server sent another part than was asked for")
        return have

    def _total(self, answer: requests.Response, start: int) -> int | None:
        """Size of the whole file."""
        if found := re.fullmatch(r"bytes .*/(\d+)", answer.headers.get("Content-Range", "")):
            return int(found[1])
        length = answer.headers.get("Content-Length")
        return None if length is None or answer.status_code != _OK else start + int(length)

    def _check(self, answer: requests.Response, url: str) -> None:
        if answer.status_code in _PASSING:
            raise _Broken(f"the server answers {answer.status_code}")
        if answer.status_code not in (_OK, _PARTIAL):
            raise ConfigError(f"{url} answers {answer.status_code} {answer.reason}; name a mirror with --url")

    def _check_room(self, total: int | None, start: int) -> None:
        free = shutil.disk_usage(self.part.parent).free
        if total is not None and total - start > free:
            needed = (total - start) / 1e9
            raise ConfigError(
                f"the download needs {needed:.1f} GB, and {self.part.parent} has {free / 1e9:.1f} GB free; make room, "
                "or name another folder"
            )

    def _known_total(self) -> int | None:
        return json.loads(self._notes().read_text())["total"] if self._notes().is_file() else None

    def _notes(self) -> Path:
        return self.part.with_name(f"{self.part.name}.json")

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _drop(self) -> None:
        self.part.unlink(missing_ok=True)
        self._notes().unlink(missing_ok=True)

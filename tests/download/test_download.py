"""Downloads from a server on this machine that does what servers do wrong, and archives that mean harm."""

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from rdpp.cli import main
from rdpp.config import ConfigError
from rdpp.data import READERS
from rdpp.download import fetch
from rdpp.download.fetch import download
from rdpp.download.sources import SOURCES, Source
from rdpp.download.unpacking import Limits, unpack

FAST = {"timeout": 0.3, "pause": 0.0, "tries": 3, "chunk": 100}


class Silent:
    """Nobody looks."""

    def at(self, done, total):
        pass


def png(seed):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


IMAGES = {f"bolt/{part}/good/{i}.png": png(i) for part in ("train", "test") for i in range(3)}


def tar_of(files, *extra, mode="w:xz"):
    """A tar file with these files, and with further members: of (member, content)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member, content in extra:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zip_of(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return file.getvalue()


ARCHIVE = tar_of(IMAGES)


class Served:
    """A file, and how the server gives it."""

    def __init__(self, content=ARCHIVE):
        self.content = content
        self.cuts: list[int] = []
        """After so many bytes of an answer the connection ends, one entry a request."""
        self.stalls = 0
        """Requests that get half of the answer, and then nothing for a while."""
        self.ranges = True
        self.etag = '"one"'
        self.status = 200
        self.asked: list[tuple[str | None, str | None]] = []
        """Range and If-Range of each request."""
        self.sent = 0
        self.over = threading.Event()

    def answer(self, handler):
        wanted, condition = handler.headers.get("Range"), handler.headers.get("If-Range")
        self.asked.append((wanted, condition))
        start = 0
        if self.ranges and wanted and condition in (None, self.etag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        body = self.content[start:]
        handler.send_response(self.status if start == 0 else 206)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.stalls:
            self.stalls -= 1
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            self.over.wait(5)
            return
        cut = self.cuts.pop(0) if self.cuts else len(body)
        handler.wfile.write(body[:cut])
        self.sent += min(cut, len(body))


@pytest.fixture
def serve():
    """Serve a file on this machine; gives its address."""
    servers, all_served = [], []

    def start(served):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                served.answer(self)

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        all_served.append(served)
        return f"http://127.0.0.1:{server.server_port}/data.tar.xz"

    yield start
    for served in all_served:
        served.over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def source(url, content=None, **more):
    sha256 = None if content is None else hashlib.sha256(content).hexdigest()
    given = {"title": "Some", "reader": "mvtec_ad", "licence": "free", "page": "https://example.org", **more}
    return Source(url=url, sha256=sha256, **given)


def fetched(served, serve, target, *, sha=True, **more):
    return download("some", source(serve(served), served.content if sha else None), target, Silent(), **FAST, **more)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_data_set_is_downloaded_checked_and_unpacked(serve, tmp_path):
    target, told = tmp_path / "sets" / "some", []
    assert fetched(Served(), serve, target, tell=told.append) == ["bolt"]
    assert files(target) == IMAGES
    assert sorted(path.name for path in target.parent.iterdir()) == ["some", "some.download.json"]
    receipt = json.loads((target.parent / "some.download.json").read_text())
    assert receipt["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
    with pytest.raises(ConfigError, match="is there and not empty"):
        fetched(Served(), serve, target)


def test_a_zip_file_with_a_folder_at_its_top(serve, tmp_path):
    served = Served(zip_of({f"top/{name}": content for name, content in IMAGES.items()}))
    given = source(serve(served), served.content, top="top")
    assert download("some", given, tmp_path / "some", Silent(), **FAST) == ["bolt"]
    assert files(tmp_path / "some") == IMAGES
    with pytest.raises(ConfigError, match="it has no folder other"):
        download("some", source(serve(served), top="other"), tmp_path / "b", Silent(), **FAST)


def test_a_transfer_that_is_cut_goes_on_where_it_ended(serve, tmp_path):
    served = Served()
    served.cuts = [500, 300, 0, 0, 200]
    fetched(served, serve, tmp_path / "some")
    assert files(tmp_path / "some") == IMAGES
    assert [wanted for wanted, _ in served.asked] == [None, "bytes=500-", *3 * ["bytes=800-"], "bytes=1000-"]
    assert served.sent == len(ARCHIVE)  # nothing twice


def test_another_process_goes_on_too(serve, tmp_path):
    served = Served()
    served.cuts = [700, 0, 0, 0]
    url = serve(served)
    with pytest.raises(ConfigError, match=r"broke off 3 times in a row .*700 bytes are kept"):
        download("some", source(url, ARCHIVE), tmp_path / "some", Silent(), **FAST)
    download("some", source(url, ARCHIVE), tmp_path / "some", Silent(), **FAST)
    assert served.asked[-1] == ("bytes=700-", '"one"')
    assert files(tmp_path / "some") == IMAGES


def test_a_file_that_has_changed_meanwhile_is_begun_anew(serve, tmp_path):
    served = Served(ARCHIVE[::-1])
    served.cuts = [700, 0, 0, 0]
    url = serve(served)
    with pytest.raises(ConfigError, match="broke off"):
        download("some", source(url, ARCHIVE), tmp_path / "some", Silent(), **FAST)
    served.content, served.etag = ARCHIVE, '"two"'
    download("some", source(url, ARCHIVE), tmp_path / "some", Silent(), **FAST)
    assert files(tmp_path / "some") == IMAGES


def test_a_server_that_stalls_is_asked_again(serve, tmp_path):
    served = Served()
    served.stalls = 1
    fetched(served, serve, tmp_path / "some")
    assert files(tmp_path / "some") == IMAGES
    assert len(served.asked) == 2


def test_a_server_that_knows_no_ranges_sends_all_again(serve, tmp_path):
    served = Served()
    served.ranges, served.etag, served.cuts = False, None, [500, 600]
    fetched(served, serve, tmp_path / "some")
    assert files(tmp_path / "some") == IMAGES
    served.cuts = 9 * [500]  # it never comes further: that ends
    with pytest.raises(ConfigError, match="broke off 3 times"):
        fetched(served, serve, tmp_path / "other")


def test_a_refusal_is_told_at_once(serve, tmp_path):
    served = Served()
    served.status = 404
    with pytest.raises(ConfigError, match=r"answers 404 Not Found; name a mirror with --url"):
        fetched(served, serve, tmp_path / "some")
    assert len(served.asked) == 1


def test_another_file_than_the_published_one_is_removed(serve, tmp_path):
    served = Served(tar_of({**IMAGES, "more.txt": b"x"}))
    with pytest.raises(ConfigError, match=r"sent another file: its SHA-256 is .*, and its publisher's is"):
        download("some", source(serve(served), ARCHIVE), tmp_path / "some", Silent(), **FAST)
    assert not (tmp_path / "some").exists()
    assert not list((tmp_path / "some.download").glob("archive*"))


def test_what_nobody_publishes_is_recorded_and_checked_the_next_time(serve, tmp_path):
    told = []
    fetched(Served(), serve, tmp_path / "some", sha=False, tell=told.append)
    assert "is recorded in" in told[-1]
    for path in sorted((tmp_path / "some").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(ConfigError, match="and the one of the first download is"):
        fetched(Served(tar_of({**IMAGES, "x": b""})), serve, tmp_path / "some", sha=False)
    fetched(Served(), serve, tmp_path / "some", sha=False)


def test_a_page_instead_of_an_archive_or_another_layout_is_removed(serve, tmp_path):
    for content, message in (
        (b"<html>sign in</html>", "neither a tar nor a zip file"),
        (tar_of({"readme.txt": b"x"}), "holds no category in the MVTec AD layout"),
        (ARCHIVE[:-200], "it is damaged"),
    ):
        with pytest.raises(ConfigError, match=f"was removed: .*{message}"):
            fetched(Served(content), serve, tmp_path / "some", sha=False)
        assert not (tmp_path / "some").exists()
        assert not list((tmp_path / "some.download").glob("archive*"))


def member(name, kind=tarfile.REGTYPE, link=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made, b""


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (member("../out.txt"), "a path that leaves the folder, '../out.txt'"),
        (member("bolt/../../out.txt"), "a path that leaves the folder"),
        (member("/out.txt"), "a path that leaves the folder"),
        (member("C:\\out.txt"), "a path that leaves the folder"),
        (member("link", tarfile.SYMTYPE, "/etc"), "a link, a device or a sparse file, 'link'"),
        (member("link", tarfile.SYMTYPE, "bolt"), "a link"),
        (member("hard", tarfile.LNKTYPE, "bolt/train/good/0.png"), "a link"),
        (member("pipe", tarfile.FIFOTYPE), "a link, a device"),
        (member("device", tarfile.CHRTYPE), "a link, a device"),
    ],
)
def test_a_hostile_tar_file_is_refused(serve, tmp_path, extra, message):
    with pytest.raises(ConfigError, match=message.replace("\\", "\\\\")):
        fetched(Served(tar_of(IMAGES, extra)), serve, tmp_path / "sets" / "some")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sets"]
    assert not (tmp_path / "sets" / "some").exists()
    assert [path.name for path in (tmp_path / "sets" / "some.download").iterdir()] == ["lock"]


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "..\\out.txt", "C:\\out.txt", "a/../../out.txt"])
def test_a_hostile_path_in_a_zip_file_is_refused(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(zip_of({name: b"x"}))
    (tmp_path / "in").mkdir()
    with pytest.raises(ConfigError, match="a path that leaves the folder"):
        unpack(tmp_path / "a.zip", tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "in"]


def test_a_link_in_a_zip_file_is_refused(tmp_path):
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(info, "/etc/passwd")
    (tmp_path / "in").mkdir()
    with pytest.raises(ConfigError, match="a link, a device or an encrypted file, 'link'"):
        unpack(tmp_path / "a.zip", tmp_path / "in")


@pytest.mark.parametrize("pack", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("content", "limits"),
    [
        ({"zeros": bytes(10**6)}, Limits(small=1000)),
        ({"a": bytes(600), "b": bytes(600)}, Limits(size=1000)),
        ({str(i): b"" for i in range(11)}, Limits(files=10)),
    ],
)
def test_a_bomb_is_refused_before_it_is_written(tmp_path, pack, content, limits):
    (tmp_path / "a").write_bytes(pack(content))
    (tmp_path / "in").mkdir()
    with pytest.raises(ConfigError, match="more than a data set has"):
        unpack(tmp_path / "a", tmp_path / "in", limits)
    assert sum(path.stat().st_size for path in (tmp_path / "in").iterdir()) <= 600
    (tmp_path / "on").mkdir()
    unpack(tmp_path / "a", tmp_path / "on")


def test_one_process_at_a_time(serve, tmp_path):
    (tmp_path / "some.download").mkdir()
    lock = fetch.FileLock(tmp_path / "some.download" / "lock")
    with lock, pytest.raises(ConfigError, match="another process downloads"):
        fetched(Served(), serve, tmp_path / "some")


def test_the_command_shows_the_licence_first_and_takes_a_mirror(serve, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fetch, "ResumingDownloader", quick(fetch.ResumingDownloader))
    served = Served(ARCHIVE)
    assert main(["data", "download", "kolektor_sdd", str(tmp_path / "a"), "--url", serve(served)]) == 2
    printed = capsys.readouterr().err.splitlines()
    assert printed[0].startswith("KolektorSDD: CC BY-NC-SA 4.0")
    assert "its publisher's is 65dc62" in printed[-1]
    assert main(["data", "download", "mpdd", str(tmp_path / "b"), "--url", serve(served)]) == 0
    assert "1 categories" in capsys.readouterr().err


def quick(kind):
    return lambda part, progress: kind(part, progress, **FAST)


def test_what_is_fetched_by_hand_and_what_is_not_known_is_one_line(tmp_path, capsys):
    assert main(["data", "download", "real_iad", str(tmp_path / "a")]) == 2
    assert "https://huggingface.co/datasets/REAL-IAD/Real-IAD" in capsys.readouterr().err.splitlines()[-1]
    assert main(["data", "download", "mvtec", str(tmp_path / "a")]) == 2
    assert "unknown data set 'mvtec'" in capsys.readouterr().err
    assert main(["data", "download", "visa", str(tmp_path / "a"), "--url", "ftp://x"]) == 2
    assert "must begin with https://" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_complete(name):
    found = SOURCES[name]
    assert found.reader in READERS
    assert (found.url is None) == bool(found.by_hand)
    assert found.page.startswith("https://")
    if found.url is not None:
        assert found.url.startswith("https://")
    assert found.sha256 is None or len(found.sha256) == 64

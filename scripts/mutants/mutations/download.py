"""Mutations of rdpp/download."""

from mutations.mutation import Mutation

_TESTS = "tests/download/test_download.py"

MUTATIONS = [
    Mutation(
        "download: an interrupted transfer begins anew",
        "rdpp/download/transfer.py",
        'return {**plain, "Range": f"bytes={have}-", "If-Range": validator}',
        "return plain",
        f"{_TESTS} -k cut_goes_on",
    ),
    Mutation(
        "download: the rest of another file is joined on",
        "rdpp/download/transfer.py",
        ', "If-Range": validator}',
        "}",
        f"{_TESTS} -k has_changed_meanwhile",
    ),
    Mutation(
        "download: a server that passes over the range is written behind the part",
        "rdpp/download/transfer.py",
        "        if answer.status_code == _OK:\n            return 0\n",
        "        if answer.status_code == _OK:\n            return have\n",
        f"{_TESTS} -k knows_no_ranges",
    ),
    Mutation(
        "download: a transfer that never comes further does not end",
        "rdpp/download/transfer.py",
        "failed = 0 if self._size() > furthest else failed + 1",
        "failed = failed + 1 if self._size() == 0 else 0",
        f"{_TESTS} -k goes_on_too",
    ),
    Mutation(
        "download: the digest of the first download is not compared",
        "rdpp/download/fetch.py",
        "known, whose = place.recorded_sha256(name),",
        "known, whose = None,",
        f"{_TESTS} -k nobody_publishes",
    ),
    Mutation(
        "download: a file that is no data set stays",
        "rdpp/download/fetch.py",
        "            archive.unlink()\n",
        "",
        f"{_TESTS} -k page_instead",
    ),
    Mutation(
        "unpacking: paths that leave the folder",
        "rdpp/download/unpacking.py",
        'or ".." in windows.parts ',
        "",
        f"{_TESTS} -k hostile",
    ),
    Mutation(
        "unpacking: absolute paths",
        "rdpp/download/unpacking.py",
        "if plain.is_absolute() or windows.drive or windows.root or",
        "if",
        f"{_TESTS} -k hostile",
    ),
    Mutation(
        "unpacking: links in tar files",
        "rdpp/download/unpacking.py",
        "if not (member.isdir() or (member.isreg() and not member.issparse())):",
        "if False:",
        f"{_TESTS} -k hostile_tar",
    ),
    Mutation(
        "unpacking: links in zip files",
        "rdpp/download/unpacking.py",
        "if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or",
        "if",
        f"{_TESTS} -k link_in_a_zip",
    ),
    Mutation(
        "unpacking: bombs by their ratio",
        "rdpp/download/unpacking.py",
        "if too_large or too_dense or",
        "if too_large or",
        f"{_TESTS} -k bomb",
    ),
    Mutation(
        "unpacking: bombs by their size",
        "rdpp/download/unpacking.py",
        "if too_large or too_dense or",
        "if too_dense or",
        f"{_TESTS} -k bomb",
    ),
    Mutation(
        "unpacking: bombs by their number of files",
        "rdpp/download/unpacking.py",
        " or self._files > limits.files:",
        ":",
        f"{_TESTS} -k bomb",
    ),
]

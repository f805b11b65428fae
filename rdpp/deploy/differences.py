"""What differs between a recorded run and one that is trained now, as far as it can be told without training."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rdpp.data import Category, file_digest
from rdpp.engine import RunSpec, digest_of_code, machine_digest, machine_parts
from rdpp.provenance import code_tags
from rdpp.tracking.conventions.tags import CODE, MACHINE, MACHINE_PARTS, METHOD, TEACHER_FINGERPRINT

_NAMED = 3  # files that a line names
_IN_WORDS = {"threads": "thread count", "cpu": "CPU", "feature_cache": "feature cache"}


@dataclass(frozen=True)
class Difference:
    """One thing."""

    what: str
    """Such as `data`, `code`, `thread count`, `torch`."""
    recorded: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: recorded {self.recorded}, now {self.now}"


@dataclass(frozen=True)
class DataChange:
    """Files of a category that are not as they were, by their paths below the data set's root."""

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing or self.added)

    def difference(self, recorded: int) -> Difference:
        """In words; `recorded`: files that there were."""
        counts = [f"{len(paths)} {name}" for name, paths in vars(self).items() if paths]
        named = [*self.changed, *self.missing, *self.added]
        more = " ..." if len(named) > _NAMED else ""
        return Difference("data", f"{recorded} files", f"{', '.join(counts)} ({', '.join(named[:_NAMED])}{more})")


def parse_manifest(text: str) -> dict[str, str]:
    """SHA-256 by path, as `data_manifest.txt` of a run has them."""
    lines = (line.partition("  ") for line in text.splitlines())
    return {path: digest for digest, _, path in lines}


def data_change(manifest: Mapping[str, str], root: Path) -> DataChange:
    """What has become of recorded files."""
    missing = tuple(path for path in manifest if not (root / path).is_file())
    here = {path: digest for path, digest in manifest.items() if path not in missing}
    return DataChange(tuple(path for path, digest in here.items() if file_digest(root / path) != digest), missing)


def added_files(manifest: Mapping[str, str], category: Category) -> tuple[str, ...]:
    """Files of a category that a run did not have."""
    return tuple(path for path in category.manifest if path not in manifest)


def other_differences(tags: Mapping[str, str], spec: RunSpec, package: Path) -> list[Difference]:
    """Code, teacher, method, machine and libraries.

    Args:
        tags: of the recorded run.
        spec: the run as it would be trained now.
        package: the folder `rdpp` of the code that would train it.
    """
    identity = spec.identity
    found = [
        _code(tags, package),
        _tag(tags, METHOD, str(identity.method)),
        _tag(tags, TEACHER_FINGERPRINT, identity.teacher, "teacher's weights"),
    ]
    return [*filter(None, found), *_machine(tags, spec)]


def _code(tags: Mapping[str, str], package: Path) -> Difference | None:
    """By the digest of what decides results; runs of an earlier version have the commit alone."""
    if CODE in tags:
        now = digest_of_code(package)
        dirty = ", with uncommitted changes" if tags.get("git_dirty") == "true" else ""
        commit = f" (commit {tags['git_commit'][:10]}{dirty})" if "git_commit" in tags else ""
        return None if tags[CODE] == now else Difference("code", f"{tags[CODE]}{commit}", now)
    return _tag(tags, "git_commit", code_tags().get("git_commit", "no checkout"), "code")


def _tag(tags: Mapping[str, str], tag: str, now: str, what: str = "") -> Difference | None:
    recorded = tags.get(tag, "unknown")
    return None if recorded == now else Difference(what or tag, recorded, now)


def _machine(tags: Mapping[str, str], spec: RunSpec) -> list[Difference]:
    now = machine_parts(spec.experiment)
    if MACHINE_PARTS not in tags:
        same = tags.get(MACHINE) == machine_digest(spec.experiment)
        parts = ", ".join(f"{name} {value}" for name, value in now.items())
        what = "machine, thread count or library versions"
        return [] if same else [Difference(what, "by an earlier version, as a digest alone", parts)]
    recorded: dict[str, str] = json.loads(tags[MACHINE_PARTS])
    return [
        Difference(_IN_WORDS.get(name, name), recorded.get(name, "unknown"), now.get(name, "unknown"))
        for name in (*recorded, *(name for name in now if name not in recorded))
        if recorded.get(name) != now.get(name)
    ]

"""What README and pages promise: an example that works, links that lead somewhere, keys that are explained."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from rdpp.cli import build_parser
from rdpp.cli.words import parse
from rdpp.config import ConfigError

ROOT = Path(__file__).parents[2]
README_PAGE = ROOT / "README.md"
README = README_PAGE.read_text()
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def test_the_front_page_is_short():
    assert len(README.splitlines()) <= 150
    assert "make test" in README


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(name):
    links = [link for link in LINK.findall((ROOT / name).read_text()) if not link.startswith("https://")]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_readme_and_site_have_one_example():
    assert EXAMPLE.findall(README) == EXAMPLE.findall((ROOT / "docs/getting-started.md").read_text())


def test_the_example_works(tiny, tmp_path, monkeypatch, capsys):
    (example,) = EXAMPLE.findall(README)
    (tmp_path / "experiments").mkdir()
    short = tiny.with_overrides({"training.epochs": 1})
    (tmp_path / "experiments/demo.yaml").write_text(yaml.safe_dump(short.to_mapping()))
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert re.fullmatch(r"(bolt-seed\d [01]\.\d+\n)+", capsys.readouterr().out)


def commands(text):
    """Words of every line of rdpp in a page's blocks of code, without what a shell takes from it."""
    joined = re.sub(r"\\\n *", "", text)
    for line in re.findall(r"^ {4,}(?:\$ )?(?:[A-Z_]+=\S+ )?rdpp ([a-z].*)$", joined, re.MULTILINE):
        words = shlex.split(line, comments=True)
        ends = [place for place, word in enumerate(words) if word in ("&", "&&", "|", ">")]
        yield words[: ends[0]] if ends else words


@pytest.mark.parametrize("page", [README_PAGE, *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.stem)
def test_commands_of_a_page_parse(page):
    for words in commands(page.read_text()):
        options = parse(build_parser(), words)
        if str(getattr(options, "file", "")).endswith("demo.yaml") and options.data:
            assert options.categories, words  # the demonstration's are not there


def test_commands_are_found_in_pages():
    assert sum(len(list(commands(page.read_text()))) for page in (ROOT / "docs").glob("*.md")) > 30
    with pytest.raises(ConfigError, match="unexpected --such"):
        parse(build_parser(), next(commands("    rdpp train demo \\\n        --such thing &")))


def test_every_page_is_on_the_site():
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = {page for entry in navigation for page in entry.values()}
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")}


def test_the_job_for_kubernetes_is_whole():
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs/ray.md").read_text(), re.DOTALL | re.MULTILINE)
    spec = yaml.safe_load(text)["spec"]
    cluster = spec["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    for pod in pods:
        (container,) = pod["containers"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        assert f"ray=={cluster['rayVersion']}\n" in (ROOT / "requirements.lock").read_text()
    words = spec["entrypoint"].split()[1:]
    assert build_parser().parse_args(words).ray == "auto"

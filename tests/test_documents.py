"""Links of the documents lead somewhere, and commands in them are ones that the program takes."""

import re
import shlex
from pathlib import Path

import pytest

from locount.cli.main import COMMANDS, command_parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "projects/Locount/README.md",
]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
# Where a command can begin on a line, up to its end.
COMMAND = re.compile(r"(?:^|[ /])(locount|python train_net\.py) (?=[a-z-])")


def anchors(document: Path) -> list[str]:
    """Of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)", FENCED.sub("", document.read_text()), re.MULTILINE)
    # A link in a heading counts by its text.
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles]
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(text: str) -> list[str]:
    """The commands of the project in a document's blocks for a shell."""
    found = []
    for language, block in FENCED.findall(text):
        if language not in ("bash", "console", "sh"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if (start := COMMAND.search(line)) and not line.lstrip().startswith("locount convert:"):
                found.append(line[start.start(1) :])
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document):
    broken = []
    for place, anchor in LINK.findall(FENCED.sub("", document.read_text())):
        target = document.parent / place if place else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(f"{place}#{anchor}")
    assert broken == []


COMMANDS_IN_DOCUMENTS = [
    pytest.param(line, id=f"{name_of(document)}: {line}")
    for document in DOCUMENTS
    for line in commands(document.read_text())
]


def test_documents_have_commands():
    """So that the pattern above finds them."""
    assert len(COMMANDS_IN_DOCUMENTS) > 50


@pytest.mark.parametrize("line", COMMANDS_IN_DOCUMENTS)
def test_commands_parse(line):
    """Only parsed: what their folders hold is not here."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.commenters = "#"
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if word and word[0] in "|;&<>":
            break
        words.append(word)
    name, *arguments = words[1:] if words[0] == "locount" else ["train", *words[2:]]
    if name.startswith("-"):
        return
    args = command_parser(name).parse_args(arguments)
    for option in ("opts", "pairs"):  # KEY VALUE KEY VALUE
        assert len(getattr(args, option, ())) % 2 == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_sentences_exist(document):
    text = FENCED.sub("", document.read_text())
    names = re.findall(r"`locount ([a-z-]+)", text)
    assert {name for name in names if not name.startswith("-")} <= set(COMMANDS)


def test_every_page_has_a_place_in_the_site():
    nav = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert {path.name for path in ROOT.glob("docs/*.md")} <= set(nav)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_documents_name_only_what_readers_have(document):
    assert "../shared" not in document.read_text()

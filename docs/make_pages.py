"""What the site has beyond docs/*.md: generated pages, and the files that pages link to.

mkdocs.yml names this file twice: as a hook of MkDocs and as an extension of griffe, which reads the
docstrings for mkdocstrings.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import griffe
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
# Pages of the site from files outside docs/, by their place in the repository.
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "SECURITY.md": "SECURITY.md",
    "projects/Locount/README.md": "method.md",
}
# What api.md shows, a section for each.
API = {
    "Prediction": ["locount.inference.Predictor", "locount.inference.Prediction"],
    "Evaluation": [
        "locount.evaluation.evaluate_detections",
        "locount.evaluation.evaluator.LocountEvaluator",
    ],
    "Configs": [
        "locount.config.load_config",
        "locount.model_zoo.get_config",
        "locount.config_files.names",
    ],
    "Data": ["locount.data.register_datasets", "locount.data.read_image"],
    "Counts": ["locount.counting"],
    "Errors": ["locount.errors.InputError"],
}
ROLE = re.compile(r":\w+:`~?(?:[\w.]*\.)?([^`]+)`")
LINK = re.compile(r"\[([^][]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")


class References(griffe.Extension):
    """Sphinx's roles in docstrings become plain code, as Markdown knows none."""

    def on_object(self, *, obj: griffe.Object, **_) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(
                r":\w+:`~?(?:[\w.]*\.)?([^`]+)`", r"`\1`", obj.docstring.value
            )


def on_config(config):
    """Leave out of the nav what is not written."""
    generated = {*GENERATED, *(page for file, page in OUTSIDE.items() if (ROOT / file).is_file())}
    for section in config.nav:
        for title, pages in section.items():
            if isinstance(pages, list):
                section[title] = [
                    entry
                    for entry in pages
                    for page in entry.values()
                    if page in generated or (ROOT / "docs" / page).is_file()
                ]


def on_files(files, config):
    for source, page in OUTSIDE.items():
        if (ROOT / source).is_file():
            files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for page, make in GENERATED.items():
        files.append(File.generated(config, page, content=make()))
    # The other files of the repository that pages link to.
    for file in [*files.documentation_pages()]:
        place = posixpath.dirname(_place(file))
        for _, link, _ in LINK.findall(file.content_string):
            target = posixpath.normpath(posixpath.join(place, link))
            page = _page(target)
            if page not in files.src_uris and (ROOT / target).is_file():
                files.append(File.generated(config, page, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links as they are in the repository become links of the site."""
    place, here = posixpath.dirname(_place(page.file)), posixpath.dirname(page.file.src_uri)

    def moved(link: re.Match) -> str:
        text, target, anchor = link.groups(default="")
        target = posixpath.normpath(posixpath.join(place, target))
        if (ROOT / target).is_dir():  # of which a site has no page
            return text
        return f"[{text}]({posixpath.relpath(_page(target), here or '.')}{anchor})"

    return LINK.sub(moved, markdown)


def _place(file: File) -> str:
    """Where a page is in the repository."""
    places = {page: source for source, page in OUTSIDE.items()}
    return places.get(file.src_uri, f"docs/{file.src_uri}")


def _page(place: str) -> str:
    """Where the site has a file of the repository."""
    return OUTSIDE.get(place) or place.removeprefix("docs/")


def config_keys() -> str:
    from msgspec.structs import fields

    from locount.config.checks import allowed
    from locount.config.nodes import NODES

    described = griffe.load("locount.config.nodes")
    text = ["# Config keys\n\nThose that Locount adds to Detectron2's.\n"]
    for name, node in NODES.items():
        text += [f"## {name}\n", f"{node.__doc__.strip()}\n"]
        text += ["| key | default | values | meaning |", "|---|---|---|---|"]
        for field in fields(node):
            meaning = described[node.__name__][field.name].docstring
            meaning = " ".join(meaning.value.split()) if meaning else ""
            cells = f"`{field.name}`", f"`{field.default!r}`", allowed(field.type), meaning
            text.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        text.append("")
    return "\n".join(text)


def options() -> str:
    from locount.cli.main import COMMANDS, command_parser

    text = [
        "# Options of every command\n\n[Commands](commands.md) says what they have in common.\n"
    ]
    for name in COMMANDS:
        text.append(f"## locount {name}\n\n```\n{command_parser(name).format_help()}```\n")
    return "\n".join(text)


def api() -> str:
    text = ["# Python\n"]
    for title, names in API.items():
        text += [f"## {title}\n", *(f"::: {name}\n" for name in names)]
    return "\n".join(text)


GENERATED = {"config_keys.md": config_keys, "options.md": options, "api.md": api}

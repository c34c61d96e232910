"""Reading and writing XML."""

from __future__ import annotations

import os
from pathlib import Path

from lxml import etree

from ...errors import Problem
from ...texts import TextError, read_bytes


def read_xml(path: str, problems: list[Problem]) -> etree._Element | None:
    """The root of an XML file; None after a problem. Entities and other files are not read."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(read_bytes(path), parser)
    except TextError as error:
        problems.append(Problem(path, None, error.reason))
        return None
    except (etree.XMLSyntaxError, ValueError) as error:
        problems.append(Problem(path, None, f"can't be read as XML ({error}): write it again"))
        return None
    if root.getroottree().docinfo.doctype:
        problems.append(Problem(path, None, "has a DOCTYPE, which may hide anything: remove it"))
        return None
    return root


def root_tag(path: Path) -> str:
    """The name of the root element of an XML file; "" if it has none that can be read."""
    root = read_xml(os.fspath(path), [])
    return "" if root is None else root.tag


def add_texts(parent: etree._Element, **texts: object) -> None:
    """Add an element with a text for each keyword."""
    for tag, text in texts.items():
        etree.SubElement(parent, tag).text = str(text)


def xml_bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)

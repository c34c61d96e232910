"""Small parts that several writers need."""

from __future__ import annotations

from lxml import etree


def number(value: float) -> str:
    """The shortest decimal that is this number, without ``.0``."""
    return str(int(value)) if value == int(value) else repr(float(value))


def xml_bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)

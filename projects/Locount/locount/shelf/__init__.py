"""Rendered shelves: pictures in which everything can be counted, without any dataset."""

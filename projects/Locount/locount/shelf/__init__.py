"""Rendered shelves: pictures whose every number can be counted, without any data set."""

"""Counting: counters, their loss, decoding and matching."""

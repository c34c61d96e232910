"""Heads of two-stage detectors."""

"""Detectors of one stage."""

"""Backbones and feature pyramids."""

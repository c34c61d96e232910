"""Detections matched with annotations, at all thresholds at once."""

"""What detectors of several kinds are made of."""

"""Locount txt: a folder of images and one of texts for each split."""

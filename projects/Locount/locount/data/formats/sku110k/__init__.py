"""SKU-110K csv: one file a split, all images in one folder."""

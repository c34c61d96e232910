"""The learnt policies for detection, v0 and v1.

Source: Zoph et al., "Learning Data Augmentation Strategies for Object Detection" (2019); v0 is the
paper's, v1 was published beside it. A policy is a list of sub-policies, one of which is
drawn for an image; its operations follow each other. Each is a name, a probability and a level from
0 to 10. Operations of probability 0, which the published lists contain, are left out.
"""

from __future__ import annotations

SubPolicy = list[tuple[str, float, int]]

V0: list[SubPolicy] = [
    [("TranslateX", 0.6, 4), ("Equalize", 0.8, 10)],
    [("BoxTranslateY", 0.2, 2), ("Cutout", 0.8, 8)],
    [("ShearX", 0.4, 0)],
    [("ShearY", 1.0, 2), ("BoxTranslateY", 0.6, 6)],
    [("Rotate", 0.6, 10), ("Color", 1.0, 6)],
]

V1: list[SubPolicy] = [
    *V0,
    [("BoxShearX", 0.8, 4)],
    [("BoxShearY", 0.8, 2)],
    [("Equalize", 0.6, 10), ("TranslateX", 0.2, 2)],
    [("Color", 1.0, 10), ("BoxTranslateY", 0.4, 6)],
    [("Rotate", 0.8, 10)],
    [("Cutout", 0.2, 2), ("Brightness", 0.8, 10)],
    [("Color", 1.0, 6), ("Equalize", 1.0, 2)],
    [("BoxCutout", 0.4, 6), ("BoxTranslateY", 0.8, 2)],
    [("Color", 0.2, 8), ("Rotate", 0.8, 10)],
    [("Sharpness", 0.4, 4)],
    [("Sharpness", 1.0, 4), ("SolarizeAdd", 0.4, 4)],
    [("Rotate", 1.0, 8), ("Sharpness", 0.2, 8)],
    [("ShearY", 0.6, 10), ("BoxEqualize", 0.6, 8)],
    [("ShearX", 0.2, 6), ("BoxTranslateY", 0.2, 10)],
    [("SolarizeAdd", 0.6, 8), ("Brightness", 0.8, 10)],
]

POLICIES = {"v0": V0, "v1": V1}

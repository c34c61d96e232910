"""Bags of foil and paper."""

from __future__ import annotations

import cv2
import numpy as np

from .brush import Brush
from .labels import PASTEL, VIVID, pick
from .photographs import folds
from .sprites import Sprite, fixed, lighten, make_sprite


def bag(brush: Brush) -> Sprite:
    """A bag that stands: bulging, with a seam at the top."""
    item, rng = brush.item, brush.shape
    face = brush.face(pick(brush.color, VIVID + PASTEL))
    h, w = face.shape[:2]
    seam = max(h // 14, 2)
    face[:seam] = cv2.convertScaleAbs(face[:seam], alpha=0.7, beta=20)
    face[:seam, ::3] = cv2.convertScaleAbs(np.ascontiguousarray(face[:seam, ::3]), alpha=0.7)
    face = lighten(face, folds(rng, w, h), 200)
    x = (np.arange(w, dtype=np.float32) - w / 2) / (w / 2)
    round_off = np.clip(215 - 95 * (x - brush.light * 0.4) ** 2, 0, 255).astype(np.uint8)
    face = lighten(face, np.repeat(round_off[None], h, 0), 200)
    shoulder, waist = 0.04 + 0.1 * rng.random(), 0.03 * rng.random()
    t = np.array([0, 0.08, 0.25, 0.6, 0.92, 1])
    inset = np.array([shoulder, shoulder * 0.8, waist, 0, waist, 0.05]) * w
    wobble = (rng.random((2, len(t))) - 0.5) * 0.03 * w
    left, right = np.abs(inset + wobble[0]), w - 1 - np.abs(inset + wobble[1])
    y = t * (h - 1)
    points = np.concatenate([np.stack([left, y], 1), np.stack([right, y], 1)[::-1]])
    alpha = np.zeros((h, w), np.uint8)
    cv2.fillPoly(alpha, [fixed(points)], 255, cv2.LINE_AA, 4)
    anchor = w // 2, round(h - item.depth * brush.view.tilt / 2)
    return make_sprite(face, alpha, anchor, points + 0.5 - anchor)

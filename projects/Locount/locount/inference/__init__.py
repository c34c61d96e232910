"""Prediction: photos in; detections, pictures and tables out."""

from ..visualization.drawing import draw_prediction
from .prediction import Prediction
from .predictor import Predictor

__all__ = ["Predictor", "Prediction", "draw_prediction"]

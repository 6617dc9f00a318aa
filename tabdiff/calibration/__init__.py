"""Probabilities of a classifier that was trained on resampled rows, brought back to the true prevalence."""

from tabdiff.calibration.correction import PriorCorrection
from tabdiff.calibration.learning import Calibration, fit_calibration
from tabdiff.calibration.priors import correct_prior

__all__ = ["Calibration", "PriorCorrection", "correct_prior", "fit_calibration"]

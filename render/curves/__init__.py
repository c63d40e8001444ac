"""Numbers over time: curves through keys, easings, formulas, noise, and their integrals."""

from render.curves.curve import Curve, Key, Keys, constant, keyed
from render.curves.formula import Clock, Formula, FormulaError

__all__ = ["Clock", "Curve", "Formula", "FormulaError", "Key", "Keys", "constant", "keyed"]

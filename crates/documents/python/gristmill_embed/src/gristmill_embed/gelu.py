"""GELU, `x * P(X <= x)` of a standard normal `X`, which numpy does not have.

By formula 7.1.26 of Abramowitz and Stegun: within 1e-6 of the exact value, in less time than the matrix product before
it. A few rows at a time, in place, so that all of it stays in the processor's cache.
"""

from __future__ import annotations

import math

import numpy as np

from .weights import Floats

_NUMBERS_AT_ONCE = 96 * 1024
_P = np.float32(0.3275911)
_FIRST, *_OTHERS = (
    np.float32(factor) for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
)
_ROOT = np.float32(1 / math.sqrt(2))
_ONE = np.float32(1)
_HALF = np.float32(0.5)


def gelu_in_place(x: Floats) -> Floats:
    """Changes the numbers of a matrix, and returns it."""
    rows = max(1, _NUMBERS_AT_ONCE // max(1, x.shape[1]))
    square, t, tail = (np.empty((min(rows, len(x)), x.shape[1]), np.float32) for _ in range(3))
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        count = len(block)
        _gelu(block, square[:count], t[:count], tail[:count])
    return x


def _gelu(x: Floats, square: Floats, t: Floats, tail: Floats) -> None:
    # tail = 1 - erf(|x| / sqrt(2)), by a polynomial in t = 1 / (1 + p |x| / sqrt(2)).
    np.multiply(x, _ROOT, out=square)
    np.abs(square, out=square)
    np.multiply(square, _P, out=t)
    np.add(t, _ONE, out=t)
    np.reciprocal(t, out=t)
    np.multiply(t, _FIRST, out=tail)
    for factor in _OTHERS:
        np.add(tail, factor, out=tail)
        np.multiply(tail, t, out=tail)
    np.multiply(square, square, out=square)
    np.negative(square, out=square)
    np.exp(square, out=square)
    np.multiply(tail, square, out=tail)
    # x P(X <= x) = max(x, 0) - |x| tail / 2.
    np.abs(x, out=t)
    np.multiply(t, tail, out=t)
    np.multiply(t, _HALF, out=t)
    np.maximum(x, np.float32(0), out=x)
    np.subtract(x, t, out=x)

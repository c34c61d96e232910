"""Decimal numbers to doubles, compiled: the nearest one, or none where that would take long."""

from __future__ import annotations

import numpy as np

from ..compiled import loop

_EXACT = 22  # powers of ten that a double holds exactly
_MAX_POWER = 65  # of ten, in the table; numbers beyond it are left to Python
_LOW = np.uint64(0xFFFFFFFF)


def _powers_of_five() -> np.ndarray:
    """The first 128 bits of 5**q for q from -``_MAX_POWER`` to ``_MAX_POWER``, in two words.

    Rounded up for negative q, down for others: Lemire, Number Parsing at a Gigabyte per Second,
    2021, section 5.
    """
    words = np.empty((2 * _MAX_POWER + 1, 2), np.uint64)
    for q in range(-_MAX_POWER, _MAX_POWER + 1):
        power = 5 ** abs(q)
        if q < 0:
            shift = 127 + (power - 1).bit_length()
            bits = (1 << shift) // power + 1
        else:
            bits = power << max(0, 128 - power.bit_length())
        bits >>= max(0, bits.bit_length() - 128)
        words[q + _MAX_POWER] = bits >> 64, bits & (2**64 - 1)
    return words


_POWERS_OF_FIVE = _powers_of_five()
_POWERS_OF_TEN = np.array([float(10**q) for q in range(_EXACT + 1)])


@loop
def _product(a, b):
    """The high and the low word of a * b."""
    a0, a1, b0, b1 = a & _LOW, a >> np.uint64(32), b & _LOW, b >> np.uint64(32)
    low = a0 * b0
    middle = a1 * b0 + (low >> np.uint64(32))
    other = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> np.uint64(32)) + (other >> np.uint64(32)), a * b


@loop
def _leading_zeros(word):
    """Of a word that is not 0."""
    zeros = 0
    for shift in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(64 - shift) == np.uint64(0):
            word <<= np.uint64(shift)
            zeros += shift
    return zeros


@loop
def to_double(digits, power):
    """The double next to digits * 10**power, for an unsigned integer, and whether it is known.

    Clinger's way where both factors are doubles, else Eisel's and Lemire's (Lemire 2021, algorithm
    1).
    """
    if digits == np.uint64(0):
        return 0.0, True
    if digits <= np.uint64(1 << 53) and -_EXACT <= power <= _EXACT:
        value = np.float64(np.int64(digits))
        if power < 0:
            return value / _POWERS_OF_TEN[-power], True
        return value * _POWERS_OF_TEN[power], True
    if abs(power) > _MAX_POWER:
        return 0.0, False
    zeros = _leading_zeros(digits)
    digits <<= np.uint64(zeros)
    high, low = _product(digits, _POWERS_OF_FIVE[power + _MAX_POWER, 0])
    if high & np.uint64(0x1FF) == np.uint64(0x1FF):
        more, _ = _product(digits, _POWERS_OF_FIVE[power + _MAX_POWER, 1])
        low += more
        if low < more:
            high += np.uint64(1)
        if low == ~np.uint64(0):
            return 0.0, False
    top = high >> np.uint64(63)
    shift = top + np.uint64(9)
    mantissa = high >> shift
    exponent = ((217706 * power) >> 16) + 63 + np.int64(top) - zeros + 1023
    if exponent <= 0 or exponent >= 2046:
        return 0.0, False
    # Half way between two doubles: to the even one.
    if (
        low <= np.uint64(1)
        and -4 <= power <= 23
        and mantissa & np.uint64(3) == np.uint64(1)
        and mantissa << shift == high
    ):
        mantissa &= ~np.uint64(1)
    mantissa = (mantissa + (mantissa & np.uint64(1))) >> np.uint64(1)
    if mantissa >> np.uint64(53):
        mantissa = np.uint64(1 << 52)
        exponent += 1
    mantissa &= np.uint64((1 << 52) - 1)
    return np.uint64(mantissa | (np.uint64(exponent) << np.uint64(52))).view(np.float64), True

"""Bessel functions of the first and second kind, computed as PyTorch does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from torch2keras.declarations.registry import pointwise
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.piecewise import INF, extend_from_positive, join_at
from torch2keras.ops.blocks.series import evaluate_polynomial

aten = torch.ops.aten


NEAR = 5.0
"""Up to here the functions are quotients, and from here on they are waves."""


@dataclass(frozen=True)
class Quotient:
    """A quotient of polynomials, the highest power first."""

    above: tuple[float, ...]
    below: tuple[float, ...]

    def __call__(self, x: Tensor) -> Any:
        """Return its value at x."""
        return evaluate_polynomial(self.above, x) / evaluate_polynomial(self.below, x)


# The numbers are PyTorch's own (ATen/native/Math.h, from the Cephes library). From 5 on the
# quotients are of falling powers of 25 / x^2. Up to 12 they are wrong by as much as 4e-7, and so
# are the Bessel functions of PyTorch (2.14); the same numbers give the same answers.
P0 = Quotient(
    (
        0.0007969367292973471, 0.08283523921074408, 1.239533716464143, 5.447250030587687,
        8.74716500199817, 5.303240382353949, 1.0,
    ),
    (
        0.0009244088105588637, 0.08562884743544745, 1.2535274390105895, 5.470977403304171,
        8.761908832370695, 5.306052882353947, 1.0,
    ),
)  # fmt: skip


Q0 = Quotient(
    (
        -0.011366383889846916, -1.2825271867050931, -19.553954425773597, -93.20601521237683,
        -177.68116798048806, -147.07750515495118, -51.41053267665993, -6.050143506007285,
    ),
    (
        64.3178256118178, 856.4300259769806, 3882.4018360540163, 7240.467741956525,
        5930.727011873169, 2062.0933166032783, 242.0057402402914,
    ),
)  # fmt: skip


P1 = Quotient(
    (
        0.0007621256162081731, 0.07313970569409176, 1.1271960812968493, 5.112079511468076,
        8.424045901417724, 5.214515986823615, 1.0,
    ),
    (
        0.0005713231280725487, 0.06884559087544954, 1.105142326340617, 5.073863861286015,
        8.399855543276042, 5.209828486823619, 1.0,
    ),
)  # fmt: skip


Q1 = Quotient(
    (
        0.05108625947501766, 4.982138729512334, 75.82382841325453, 366.7796093601508,
        710.8563049989261, 597.4896124006136, 211.68875710057213, 25.207020585802372,
    ),
    (
        74.23732770356752, 1056.4488603826283, 4986.410583376536, 9562.318924047562,
        7997.041604473507, 2826.1927851763908, 336.0936078106983,
    ),
)  # fmt: skip


# Up to 5 the quotients are of falling powers of x^2; those of J are what is left after two of its
# zeros.
J0 = Quotient(
    (
        -4794432209.782018, 1956174919465.5657, -249248344360967.72, 9708622510473064.0,
    ),
    (
        499.563147152651, 173785.4016763747, 48440965.83399621, 11185553704.535683,
        2112775201154.892, 310518229857422.56, 3.1812195594320496e+16, 1.7108629408104315e+18,
    ),
)  # fmt: skip


J1 = Quotient(
    (
        -899971225.7055594, 452228297998.19403, -72749424522181.83, 3682957328638529.0,
    ),
    (
        620.8364781180543, 256987.25675774884, 83514679.14319493, 22151159547.97925,
        4749141220799.914, 784369607876235.9, 8.952223361846274e+16, 5.322786203326801e+18,
    ),
)  # fmt: skip


Y0 = Quotient(
    (
        15592.436785523574, -14663929.59039716, 5435264770.518765, -982136065717.9115,
        87590639439536.7, -3466283033847297.0, 4.4273326857256984e+16, -1.8495080043698668e+16,
    ),
    (
        1041.2835366425984, 626107.330137135, 268919633.39381415, 86400248710.3935,
        20297961275010.555, 3171577528429750.5, 2.5059625617265306e+17,
    ),
)  # fmt: skip


Y1 = Quotient(
    (
        1263204747.9017804, -647355876379.1603, 114509511541823.73, -8127702555013251.0,
        2.024394757135949e+17, -7.788771962659501e+17,
    ),
    (
        594.3015923461282, 235564.09294306856, 73481194.44597217, 18760131610.870617,
        3882312774962.3857, 620557727146953.8, 6.871410873553005e+16, 3.9727060811656064e+18,
    ),
)  # fmt: skip


def compute_near_j0(x: Tensor) -> Tensor:
    """Return J0(x) up to 5; the factors are its first two zeros, squared."""
    square = x * x
    return (square - 5.78318596294678452118) * (square - 30.4712623436620863991) * J0(square)


def compute_near_j1(x: Tensor) -> Tensor:
    """Return J1(x) up to 5; the factors are its first two zeros, squared."""
    square = x * x
    zeros = (square - 14.6819706421238932572) * (square - 49.2184563216946036703)
    return J1(square) * x * zeros


def compute_near_y0(x: Tensor) -> Tensor:
    """Return Y0(x) up to 5."""
    return Y0(x * x) + 2 / math.pi * (ops.log(x) * compute_near_j0(x))


def compute_near_y1(x: Tensor) -> Tensor:
    """Return Y1(x) up to 5."""
    return Y1(x * x) * x + 2 / math.pi * (ops.log(x) * compute_near_j1(x) - 1.0 / x)


def compute_waves(order: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return J(x) and Y(x) of the order 0 or 1, from 5 on.

    They are Hankel's expansion: sqrt(2 / (pi x)) (P cos t - Q sin t) and (P sin t + Q cos t), with
    t = x - (2 order + 1) pi / 4 (https://dlmf.nist.gov/10.17).
    """
    slow, turned = ((P0, Q0), (P1, Q1))[order]
    inverse = 25.0 / (x * x)
    p, q = slow(inverse), turned(inverse) * (5.0 / x)
    angle = x - (2 * order + 1) * math.pi / 4
    size = math.sqrt(2 / math.pi) / ops.sqrt(x)
    sine, cosine = ops.sin(angle), ops.cos(angle)
    return (p * cosine - q * sine) * size, (p * sine + q * cosine) * size


def compute_wave_j(order: int, x: Tensor) -> Tensor:
    """Return J(x) from 5 on."""
    return compute_waves(order, x)[0]


def compute_wave_y(order: int, x: Tensor) -> Tensor:
    """Return Y(x) from 5 on."""
    return compute_waves(order, x)[1]


def j0(x: Tensor) -> Tensor:
    """The Bessel function of the first kind, of the order 0."""
    return join_at(ops.abs(x), NEAR, compute_near_j0, partial(compute_wave_j, 0))


def j1(x: Tensor) -> Tensor:
    """The Bessel function of the first kind, of the order 1."""
    size = join_at(ops.abs(x), NEAR, compute_near_j1, partial(compute_wave_j, 1))
    return size * ops.sign(x)


def y0(x: Tensor) -> Tensor:
    """The Bessel function of the second kind, of the order 0."""
    join = partial(join_at, limit=NEAR, near=compute_near_y0, far=partial(compute_wave_y, 0))
    return extend_from_positive(x, -INF, join)


def y1(x: Tensor) -> Tensor:
    """The Bessel function of the second kind, of the order 1."""
    join = partial(join_at, limit=NEAR, near=compute_near_y1, far=partial(compute_wave_y, 1))
    return extend_from_positive(x, -INF, join)


pointwise(
    {
        aten.special_bessel_j0.default: j0,
        aten.special_bessel_j1.default: j1,
        aten.special_bessel_y0.default: y0,
        aten.special_bessel_y1.default: y1,
    }
)

"""Bessel functions of the first and second kind, computed as PyTorch does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch

from torch2keras.declarations.registry import pointwise
from torch2keras.lower.recorder import Tensor, ops
from torch2keras.ops.blocks.piecewise import INF, below, of_positive

aten = torch.ops.aten


@dataclass(frozen=True)
class Quotient:
    """A quotient of polynomials, the highest power first."""

    above: tuple[float, ...]
    below: tuple[float, ...]

    def __call__(self, x: Tensor) -> Any:
        """Its value at x."""
        above, below = (
            reduce(lambda y, c: y * x + c, c[1:], c[0]) for c in (self.above, self.below)
        )
        return above / below


# PyTorch's own. From 5 on: numerator and denominator by falling powers of 25 / x^2. Up to 12 they are wrong by as much
# as 4e-7, and so are the Bessel functions of PyTorch (2.14); the same numbers give the same answers.
P0 = Quotient(
    (0.0007969367292973471, 0.08283523921074408, 1.239533716464143, 5.447250030587687, 8.74716500199817,
     5.303240382353949, 1.0),
    (0.0009244088105588637, 0.08562884743544745, 1.2535274390105895, 5.470977403304171, 8.761908832370695,
     5.306052882353947, 1.0),
)  # fmt: skip


Q0 = Quotient(
    (-0.011366383889846916, -1.2825271867050931, -19.553954425773597, -93.20601521237683, -177.68116798048806,
     -147.07750515495118, -51.41053267665993, -6.050143506007285),
    (64.3178256118178, 856.4300259769806, 3882.4018360540163, 7240.467741956525, 5930.727011873169,
     2062.0933166032783, 242.0057402402914),
)  # fmt: skip


P1 = Quotient(
    (0.0007621256162081731, 0.07313970569409176, 1.1271960812968493, 5.112079511468076, 8.424045901417724,
     5.214515986823615, 1.0),
    (0.0005713231280725487, 0.06884559087544954, 1.105142326340617, 5.073863861286015, 8.399855543276042,
     5.209828486823619, 1.0),
)  # fmt: skip


Q1 = Quotient(
    (0.05108625947501766, 4.982138729512334, 75.82382841325453, 366.7796093601508, 710.8563049989261,
     597.4896124006136, 211.68875710057213, 25.207020585802372),
    (74.23732770356752, 1056.4488603826283, 4986.410583376536, 9562.318924047562, 7997.041604473507,
     2826.1927851763908, 336.0936078106983),
)  # fmt: skip


# Up to 5, by falling powers of x^2; of J what is left after two of its zeros.
J0 = Quotient(
    (-4794432209.782018, 1956174919465.5657, -249248344360967.72, 9708622510473064.0),
    (499.563147152651, 173785.4016763747, 48440965.83399621, 11185553704.535683, 2112775201154.892,
     310518229857422.56, 3.1812195594320496e+16, 1.7108629408104315e+18),
)  # fmt: skip


J1 = Quotient(
    (-899971225.7055594, 452228297998.19403, -72749424522181.83, 3682957328638529.0),
    (620.8364781180543, 256987.25675774884, 83514679.14319493, 22151159547.97925, 4749141220799.914,
     784369607876235.9, 8.952223361846274e+16, 5.322786203326801e+18),
)  # fmt: skip


Y0 = Quotient(
    (15592.436785523574, -14663929.59039716, 5435264770.518765, -982136065717.9115, 87590639439536.7,
     -3466283033847297.0, 4.4273326857256984e+16, -1.8495080043698668e+16),
    (1041.2835366425984, 626107.330137135, 268919633.39381415, 86400248710.3935, 20297961275010.555,
     3171577528429750.5, 2.5059625617265306e+17),
)  # fmt: skip


Y1 = Quotient(
    (1263204747.9017804, -647355876379.1603, 114509511541823.73, -8127702555013251.0, 2.024394757135949e+17,
     -7.788771962659501e+17),
    (594.3015923461282, 235564.09294306856, 73481194.44597217, 18760131610.870617, 3882312774962.3857,
     620557727146953.8, 6.871410873553005e+16, 3.9727060811656064e+18),
)  # fmt: skip


def near_j0(x: Tensor) -> Tensor:
    """J0(x) up to 5."""
    square = x * x
    return (square - 5.78318596294678452118) * (square - 30.4712623436620863991) * J0(square)


def near_j1(x: Tensor) -> Tensor:
    """J1(x) up to 5."""
    square = x * x
    return J1(square) * x * (square - 14.6819706421238932572) * (square - 49.2184563216946036703)


def oscillating(order: int, x: Tensor) -> tuple[Tensor, Tensor]:
    """J(x) and Y(x) from 5 on."""
    slow, turned = ((P0, Q0), (P1, Q1))[order]
    inverse = 25.0 / (x * x)
    p, q = slow(inverse), turned(inverse) * (5.0 / x)
    angle, size = x - (2 * order + 1) * math.pi / 4, math.sqrt(2 / math.pi) / ops.sqrt(x)
    sine, cosine = ops.sin(angle), ops.cos(angle)
    return (p * cosine - q * sine) * size, (p * sine + q * cosine) * size


def j0(x: Tensor) -> Tensor:
    """The Bessel function of the first kind, of the order 0."""
    return below(ops.abs(x), 5.0, near_j0, lambda v: oscillating(0, v)[0])


def j1(x: Tensor) -> Tensor:
    """The Bessel function of the first kind, of the order 1."""
    return below(ops.abs(x), 5.0, near_j1, lambda v: oscillating(1, v)[0]) * ops.sign(x)


def y0(x: Tensor) -> Tensor:
    """The Bessel function of the second kind, of the order 0."""

    def near(v: Tensor) -> Tensor:
        return Y0(v * v) + 2 / math.pi * (ops.log(v) * near_j0(v))

    return of_positive(x, -INF, lambda v: below(v, 5.0, near, lambda w: oscillating(0, w)[1]))


def y1(x: Tensor) -> Tensor:
    """The Bessel function of the second kind, of the order 1."""

    def near(v: Tensor) -> Tensor:
        return Y1(v * v) * v + 2 / math.pi * (ops.log(v) * near_j1(v) - 1.0 / v)

    return of_positive(x, -INF, lambda v: below(v, 5.0, near, lambda w: oscillating(1, w)[1]))


pointwise(
    {
        aten.special_bessel_j0.default: j0,
        aten.special_bessel_j1.default: j1,
        aten.special_bessel_y0.default: y0,
        aten.special_bessel_y1.default: y1,
    }
)

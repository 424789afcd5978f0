"""Modules that draw random numbers in forward, as users write them."""

from __future__ import annotations

import torch
import torch.distributions as dist
from torch import nn
from torch.nn import functional


class Coded(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(6, 10), nn.Linear(5, 6)


class Autoencoder(Coded):
    def forward(self, x):
        mean, log_variance = self.encode(x).chunk(2, -1)
        code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return self.decode(code), mean, log_variance


class ByDistribution(Coded):
    def forward(self, x):
        mean, scale = self.encode(x).chunk(2, -1)
        posterior = dist.Normal(mean, functional.softplus(scale) + 1e-3, validate_args=False)
        code = posterior.rsample()
        return self.decode(code), posterior.log_prob(code)


class InImages(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 5, 4, 2, 1), nn.ConvTranspose2d(5, 3, 4, 2, 1)

    def forward(self, x):
        hidden = functional.relu(self.down(x))
        return self.up(hidden + torch.randn(hidden.size()))


class Generator(Coded):
    """The noise meets no other tensor of the batch before the end."""

    def forward(self, x):
        return self.decode(torch.rand(x.shape[0], 5)) + x.mean(-1, keepdim=True)


class SampledKeys(nn.Module):
    """The sample of keys that the Informer's attention draws."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(6, 4), nn.Linear(6, 4)

    def forward(self, x):
        length = x.shape[1]
        sample = torch.randint(length, (length, 3))
        keys = self.key(x)[:, sample]
        scores = torch.einsum("blc,bluc->blu", self.query(x), keys)
        return scores.max(-1).values - scores.sum(-1) / length


class ActiveDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv1d(3, 7, 3), nn.Conv1d(7, 2, 1)

    def forward(self, x):
        x = functional.dropout(functional.relu(self.first(x)), 0.3)
        return self.last(functional.dropout1d(x, 0.25))


class Chosen(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(6, 5)

    def forward(self, x):
        one = torch.multinomial(x.softmax(-1), 1)
        several = torch.multinomial(x.softmax(-1), 3)
        return self.table(one), self.table(several)


class Categories(nn.Module):
    def forward(self, x):
        return dist.Categorical(logits=x, validate_args=False).sample()


class HardGumbel(nn.Module):
    def forward(self, x):
        return functional.gumbel_softmax(x, 0.7, hard=True)


class Masks(nn.Module):
    def forward(self, x):
        kept = torch.bernoulli(torch.sigmoid(x))
        other = torch.empty_like(x).bernoulli_(0.25)
        return x * kept + other * torch.empty_like(x).uniform_(-2.0, 3.0)


class Moments(nn.Module):
    def forward(self, x):
        return (
            torch.normal(x, x.abs()) + torch.empty_like(x).normal_(0.5, 2.0) + torch.normal(x, 2.0)
        )


class Shuffled(nn.Module):
    def forward(self, x):
        return x[:, torch.randperm(6)]


class RandomWalk(nn.Module):
    """Draws, and keeps the sum."""

    def __init__(self):
        super().__init__()
        self.level = torch.zeros(1, 6)

    def forward(self, x):
        self.level = 0.9 * self.level + torch.randn_like(x) + x
        return self.level * 2


class UntilLarge(nn.Module):
    def forward(self, x):
        while torch.rand(()) < 0.5:
            x = x + 1
        return x


ROWS = torch.linspace(-2.0, 2.0, 3 * 6).reshape(3, 6)
IMAGES = torch.linspace(-2.0, 2.0, 2 * 3 * 8 * 10).reshape(2, 3, 8, 10)
SEQUENCE = torch.linspace(-2.0, 2.0, 2 * 7 * 6).reshape(2, 7, 6)
SIGNAL = torch.linspace(-2.0, 2.0, 2 * 3 * 11).reshape(2, 3, 11)

NORMAL, UNIFORM = "standard normal", "uniform in [0, 1)"
EXPONENTIAL = "exponential of rate 1"

NOISY = {
    Autoencoder: (ROWS, [("randn_like", NORMAL)]),
    ByDistribution: (ROWS, [("normal_", NORMAL)]),
    InImages: (IMAGES, [("randn", NORMAL)]),
    Generator: (ROWS, [("rand", UNIFORM)]),
    SampledKeys: (SEQUENCE, [("randint", "integers in [0, 7)")]),
    ActiveDropout: (
        SIGNAL,
        [
            ("dropout", "1 with probability 0.7, else 0"),
            ("feature_dropout", "1 with probability 0.75, else 0"),
        ],
    ),
    Chosen: (ROWS, [("multinomial", EXPONENTIAL)] * 2),
    Categories: (ROWS, [("multinomial", EXPONENTIAL)]),
    HardGumbel: (ROWS, [("exponential_", EXPONENTIAL)]),
    Masks: (
        ROWS,
        [
            ("bernoulli", UNIFORM),
            ("bernoulli_", "1 with probability 0.25, else 0"),
            ("uniform_", UNIFORM),
        ],
    ),
    Moments: (ROWS, [("normal", NORMAL), ("normal_", NORMAL), ("normal", NORMAL)]),
    Shuffled: (ROWS, [("randperm", "a permutation of 0, 1, 2 ...")]),
}
"""Module -> example, and what it draws by which operation."""


def make(cls):
    torch.manual_seed(0)
    return cls().eval()

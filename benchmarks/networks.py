"""Small networks, trained by PyTorch itself, for `inference.py`; not a benchmark of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mpicode.datasets.reader import Dataset

DATA = Path(__file__).parents[1] / "data"
Array = npt.NDArray[np.float64]


class Images(NamedTuple):
    """Pixels from 0 to 1 and labels, of training and, every fifth, of test."""

    X: Array
    y: npt.NDArray[np.int64]
    X_test: Array
    y_test: npt.NDArray[np.int64]


class Trained(NamedTuple):
    """A network in double precision, as a function of rows, and its accuracy on the test images."""

    outputs: Callable[[Array], Array]
    accuracy: float


def images(name: str, seed: int) -> Images:
    """Return the images of a dataset here, shuffled."""
    with Dataset(DATA / f"{name}.h5") as dataset:
        X, y = dataset.read(0, dataset.n_samples, np.float64)
    order = np.random.default_rng([seed, 1]).permutation(len(y))
    X, y, n_test = X[order] / X.max(), y[order], len(y) // 5
    return Images(X[n_test:], y[n_test:], X[:n_test], y[:n_test])


def mlp(side: int) -> nn.Module:
    """One hidden layer of 64 rectified units."""
    return nn.Sequential(nn.Linear(side * side, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn(side: int) -> nn.Module:
    """Two convolutions of 3 x 3 with pooling, and a linear layer."""
    return nn.Sequential(
        nn.Unflatten(1, (1, side, side)),
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(32 * (side // 4) ** 2, 10),
    )


class Attention(nn.Module):
    """Patches as tokens, a layer of self-attention, and the mean of what they come to."""

    def __init__(self, side: int, width: int = 24) -> None:
        super().__init__()
        patch = side // 4
        self.patches = nn.Sequential(
            nn.Unflatten(1, (1, side, side)),
            nn.Conv2d(1, width, patch, stride=patch),
            nn.Flatten(2),
        )
        self.places = nn.Parameter(0.1 * torch.randn(1, 16, width))
        self.layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs, (n, 10), of rows of pixels, (n, side * side)."""
        tokens = self.patches(x).transpose(1, 2) + self.places
        return self.head(self.layer(tokens).mean(dim=1))


NETWORKS: dict[str, Callable[[int], nn.Module]] = {"mlp": mlp, "cnn": cnn, "attention": Attention}


def train(name: str, data: Images, steps: int, seed: int) -> Trained:
    """Train by Adam on batches of 64 with a step size that falls to 0."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model = NETWORKS[name](round(data.X.shape[1] ** 0.5))
    X, y = torch.from_numpy(data.X).float(), torch.from_numpy(data.y)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for _ in range(steps):
        rows = torch.randint(len(y), (64,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
        optimizer.step()
        schedule.step()
    model.double().eval()

    def outputs(rows: Array) -> Array:
        with torch.no_grad():
            parts = [model(part) for part in torch.from_numpy(rows).split(2000)]
        return torch.cat(parts).numpy()

    hit = outputs(data.X_test).argmax(axis=1) == data.y_test
    return Trained(outputs, float(hit.mean()))

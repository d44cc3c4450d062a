"""What the papers' theorems speak of: random codes, random sets of answers, means and bounds."""

import numpy as np

from mpicode import codes

DESIGNS = {
    "fano": {"n_workers": 7, "design": "bibd"},
    "plane": {"n_workers": 13, "design": "bibd"},
    "triples": {"n_workers": 9, "design": "bibd", "n_segments": 3},
    "petersen": {"n_workers": 10, "design": "srg"},
    "clebsch": {"n_workers": 16, "design": "srg"},
    "paley": {"n_workers": 13, "design": "srg"},
    "coset": {"n_workers": 54, "design": "coset", "load": 5, "epsilon": 0.1},
    "random": {"n_workers": 40, "design": "biregular", "load": 3, "replication": 6},
}


def pieces(code):
    """The encoding by segments, (n_segments, n_blocks, n_workers), and the placement."""
    dense = code.encoding.toarray().T.reshape(code.n_segments, code.n_blocks, code.n_workers)
    return dense, np.any(dense, axis=0)


def residuals(name, count, n_lost, **parameters):
    """One code and one random set per seed: the codes, which answered, and the residuals."""
    made, answers, found = [], [], []
    for seed in range(count):
        code = codes.make(name, seed=seed, **parameters)
        arrived = np.ones(code.n_workers, dtype=bool)
        rng = np.random.default_rng([seed, n_lost])
        arrived[rng.choice(code.n_workers, n_lost, replace=False)] = False
        made.append(code)
        answers.append(arrived)
        found.append(code.decode(arrived).residual)
    return made, np.array(answers), np.array(found)


def standard_error(values, axis=0):
    return np.std(values, axis=axis, ddof=1) / np.sqrt(np.shape(values)[axis])


def sums(build, count, lost):
    """What the decoded sums contain of each piece, (count, n_segments, n_segments * n_blocks).

    build(seed) gives a code; each worker is missing with probability ``lost``, as in the paper's
    model of failures.
    """
    found = []
    for seed in range(count):
        code = build(seed)
        arrived = np.random.default_rng([seed, 99]).random(code.n_workers) >= lost
        found.append(code.decode(arrived).coefficients @ code.encoding)
    return np.array(found)


def is_multiple_of_the_sum(found, n_segments):
    """Whether the mean of ``sums`` is alpha times the true sum, within four standard errors."""
    mean = found.mean(axis=0)
    target = np.kron(np.eye(n_segments), np.ones(mean.shape[1] // n_segments))
    alpha = mean[target == 1].mean()
    return bool((np.abs(mean - alpha * target) <= 4 * standard_error(found) + 1e-12).all())

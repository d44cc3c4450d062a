"""Training: one loop over coded gradients; and inference, without a loop."""

from .embed import CodedWorkers
from .infer import infer
from .inference import Inference
from .loop import Result
from .run import run

__all__ = ["CodedWorkers", "Inference", "Result", "infer", "run"]

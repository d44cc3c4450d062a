"""Descent that waits for nobody: every message is used as it comes, whatever its age.

`strategy` and `rounds` are given to the training loop; `replay` is the worker's side of them.
"""

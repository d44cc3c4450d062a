"""Codes over the gradients: one file per scheme."""

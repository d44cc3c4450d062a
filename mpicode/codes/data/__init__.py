"""Schemes that mix the data, one file each."""

"""Jobs for the SLURM scheduler: what it says of them."""

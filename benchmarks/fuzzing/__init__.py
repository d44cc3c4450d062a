"""What `benchmarks/fuzz.py` is made of: files to damage, ways to damage them, and a judge."""

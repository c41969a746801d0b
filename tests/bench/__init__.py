"""Measurements: one file per question. `python -m tests.bench` asks them all."""

"""Benchmarks: they measure speed as ratios against a peer or a raw limit in the same run. No test asserts a speed."""

"""Benchmarks, which measure speed as ratios to a peer or a raw limit in the same run. No test asserts a speed."""

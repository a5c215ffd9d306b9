"""Speed is measured here, as ratios against a peer or a raw limit in the same run, and never asserted in tests."""

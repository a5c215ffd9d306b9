"""The set-up page `/setup`: served on its own, before there is a school, to the one who opens its address first."""

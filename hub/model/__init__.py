"""The values of the product: dataclasses and pure functions, without input, output or clock."""

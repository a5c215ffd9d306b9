"""From a link to an accepted signature."""

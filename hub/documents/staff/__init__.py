"""Sheets and charts that staff take out."""

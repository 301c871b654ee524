"""Scenarios side by side, on shared draws."""

"""Thousands of variants of one scenario, and the regions that matter."""

"""Past crises: base rates, learning, backtests, and the record that is scored."""

"""From an analyst's files to a frozen case, or to errors with file and line."""

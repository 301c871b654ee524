"""Reports: the record, its words and tables, and the runs that leave them on disk."""

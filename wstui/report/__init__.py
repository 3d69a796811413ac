"""Reports on a run: summary, files, the run store, comparison. Nothing here measures."""

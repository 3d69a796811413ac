"""Writers of report files, one format each."""

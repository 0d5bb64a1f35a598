"""Files and messages of reads: pure parsers and writers, no database."""

"""What the Snakefile needs to know before jobs run. No other part of the library imports it."""

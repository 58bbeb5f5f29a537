"""Reports of problems: text, JSON, SARIF and CI annotations."""

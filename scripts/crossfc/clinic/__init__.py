"""The clinical scores, their change, and its correlation with the change of connectivity."""

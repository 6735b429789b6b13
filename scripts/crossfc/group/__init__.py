"""The group: people together, inference by permutation, and the clinic."""

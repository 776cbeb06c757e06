"""Data only: the shipped model, its card and how it was trained."""

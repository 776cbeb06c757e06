"""Data only: the symbol catalogue, rule files and DNS list definitions."""

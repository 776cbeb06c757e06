"""placeholder"""
FUNCTIONS: dict = {}

"""What can go wrong with the embedded stack, worded for a person."""


class StackError(Exception):
    """The stack cannot do what was asked; the message says why and what to do."""

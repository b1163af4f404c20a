"""Paging: the first calls of a poll, and the next ones from the facts of an answer. Pure.

- `follow.py` knows the styles, and leads each to its own
- `counted.py`: offsets and page numbers
- `chain.py`: cursors, keysets and links
- `detected.py`: what automatic paging makes of the first answer
- `unique_key.py`: under which key a page is planned only once, and what the key says
- `step.py`: what follows from one answer, and how calls are made

What a vendor reports may be wrong: a missing total falls back to walking, a growing one is followed from the last page,
a shrinking one lowers what is expected.
"""

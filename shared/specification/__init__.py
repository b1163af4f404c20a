"""What users write: vendors, sources and jobs, as one strict language.

The pydantic models here are what the code works with; nothing is translated into other objects.
`parse` turns JSON or a YAML document into a model, or raises `Invalid` with every mistake at once.
"""

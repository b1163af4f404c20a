"""The table of calls → HTTP → payloads, `tasks.events`, `payloads.stored`.

- `lanes.py` claims calls with their permits, vendor by vendor, and starts them at their moments
- `mark.py` marks what must not be repeated before it leaves
- `make.py` makes one call and decides what came of it
- `settle.py` writes outcomes in batches, then tells them
- `takeover.py` gives signs of life and takes over the calls of fetchers that give none
"""

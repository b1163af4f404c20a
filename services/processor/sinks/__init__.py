"""Where records go. Each sink writes the pages of a batch at once, inside the transaction that handles them."""

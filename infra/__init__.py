"""What the product runs on and is tried against; the product itself never imports from here."""

"""Small tools that know nothing of messages; everything else may import them."""

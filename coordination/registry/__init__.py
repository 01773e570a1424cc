"""Who is here, what they can do, and are they alive."""

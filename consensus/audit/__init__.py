"""Audits: what a proposal leaves behind, and how anybody checks it without a server."""

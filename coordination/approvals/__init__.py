"""Approvals at whoever acts on them: what was voted on, and how the approval of it is redeemed, once."""

"""Proposals and votes.

Nothing is imported here: whoever counts ballots (`consensus.counting`) needs neither the service
(`consensus.service`) nor its client (`consensus.client`).
"""

"""Monitoring: what is asked for its metrics and where, and the programs that ask, alert, show and keep logs.

Pure. `endpoints` is settled with the site, before any host is written, because the firewall and the
exporters follow from it; the other modules write one program each.
"""

"""The demo: five agents review, vote on and build a deployment graph, over real services."""

from conclave.demo.report import Report
from conclave.demo.run import default_graph, demo
from conclave.demo.screen import Screen, Silent, Terminal

__all__ = ["Report", "Screen", "Silent", "Terminal", "default_graph", "demo"]

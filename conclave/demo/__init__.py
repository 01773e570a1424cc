"""The demo: five agents review, vote on and build a deployment graph, over real services."""

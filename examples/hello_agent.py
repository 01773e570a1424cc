"""An agent in a few lines. Run it beside `conclave up`."""

from conclave import Agent

agent = Agent("hello")


@agent.task("greeting")
def greet(name: str) -> str:
    return f"Hello, {name}!"


agent.serve()

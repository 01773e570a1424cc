"""An agent in a few lines. Beside `conclave up`: conclave agent add hello; python examples/hello_agent.py"""

from conclave import Agent

agent = Agent("hello")


@agent.task("greeting")
def greet(name: str) -> str:
    return f"Hello, {name}!"


agent.serve()

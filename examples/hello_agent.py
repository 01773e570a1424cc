"""An agent in a few lines. Run it beside `conclave up`."""

import sys

from conclave import Agent

agent = Agent("hello", capabilities=["greeting"])


@agent.task
async def greet(session, offer):
    return {"greeting": f"Hello, {offer.payload['name']}!"}


agent.serve(sys.argv[1] if len(sys.argv) > 1 else "nats://127.0.0.1:4222")

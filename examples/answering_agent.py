"""An agent that clients of the Synadia Agent Protocol find and prompt.

Beside `conclave up`: conclave agent add ada; python examples/answering_agent.py
"""

import sys
from collections.abc import AsyncIterator

from conclave import Agent, PromptContext

agent = Agent("ada", description="Greets people in colour.")


@agent.prompt
async def greet(text: str, context: PromptContext) -> AsyncIterator[str]:
    yield f"Hello, {text}! "
    colour = await context.ask("Which colour do you like?")
    yield f"Here is something {colour} for you."


agent.serve(sys.argv[1] if len(sys.argv) > 1 else None)

"""A program that knows nothing of Conclave: it uses the Synadia Agent Protocol's own client library.

Beside `conclave up` and examples/answering_agent.py: conclave agent add carl --foreign; then
python examples/foreign_client.py URL SEED_FILE, the server's and what that command has printed.
"""

import asyncio
import sys

import nats
from synadia_ai.agents import Agents, Query, ResponseChunk


async def main(url: str, seed_file: str) -> None:
    client = await nats.connect(url, nkeys_seed=seed_file, inbox_prefix="_INBOX.agents")
    agents = Agents(nc=client)
    for agent in await agents.discover():
        print(agent.session_name, agent.description)
        async for message in agent.prompt("Carl"):
            if isinstance(message, ResponseChunk):
                print(message.text)
            elif isinstance(message, Query):
                print(message.prompt)
                await message.reply("blue")
    await agents.close()
    await client.close()


asyncio.run(main(*sys.argv[1:]))

"""The Python SDK 2.x as a client: `python python-2.py legacy|auto|2026-07-28 <PLAN`. See README.md."""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters
from mcp.client import session
from mcp.client.sse import sse_client

# After this long without an answer the SDK takes a server for one of the older era. How quick the machine is
# that starts a server is not what is tried here.
session.DISCOVER_TIMEOUT_SECONDS = 60

# Servers are started one after another by the operating system anyway; more at once only grows the queue.
CONCURRENT = 4


def place(target):
    """What the SDK connects to: a transport, parameters of a child, or a Streamable HTTP URL."""
    if target["transport"] == "sse":
        return sse_client(target["url"])
    if target["transport"] == "stdio":
        return StdioServerParameters(command=target["command"], args=target["args"], env=target["env"])
    return target["url"]


async def everything(page, member):
    """All pages of a list."""
    items, cursor = [], None
    while True:
        result = await page(cursor=cursor)
        items += getattr(result, member)
        cursor = result.next_cursor
        if cursor is None:
            return items


def text(blocks):
    return "\n".join(block.text for block in blocks if getattr(block, "text", None) is not None)


async def visit(client, target, seen):
    seen["version"] = client.protocol_version
    if target["list"]:
        seen["tools"] = [tool.name for tool in await everything(client.list_tools, "tools")]
    for call in target["calls"]:
        result = await client.call_tool(call["name"], call["arguments"])
        seen["calls"].append({"text": text(result.content), "failed": bool(result.is_error)})
    for uri in target["reads"]:
        result = await client.read_resource(uri)
        seen["reads"].append(text(result.contents))
    if target["reads"]:
        seen["resources"] = [str(item.uri) for item in await everything(client.list_resources, "resources")]
    for prompt in target["prompts"]:
        result = await client.get_prompt(prompt["name"], prompt["arguments"])
        seen["got"].append(text(message.content for message in result.messages))
    if target["prompts"]:
        seen["prompts"] = [item.name for item in await everything(client.list_prompts, "prompts")]


async def report(mode, target, slots):
    seen = {"target": target["name"], "version": None, "tools": [], "calls": [], "resources": [], "reads": [],
            "prompts": [], "got": [], "error": None}
    async with slots:
        try:
            async with Client(place(target), mode=mode, read_timeout_seconds=60) as client:
                await visit(client, target, seen)
        except BaseException as error:  # noqa: BLE001: an exception group too is what this client saw
            seen["error"] = repr(error)
    print(json.dumps(seen), flush=True)


async def main():
    mode, targets, slots = sys.argv[1], json.load(sys.stdin), asyncio.Semaphore(CONCURRENT)
    await asyncio.gather(*(report(mode, target, slots) for target in targets))


asyncio.run(main())

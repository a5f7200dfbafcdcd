"""The Python SDK 2.x asking for receipts: `python receipts.py URL legacy|2026-07-28`. Prints each `_meta` as JSON."""

import asyncio
import json
import sys

from mcp import Client

ASKING = {"portcullis/receipt": True}


async def main():
    url, mode = sys.argv[1:]
    async with Client(url, mode=mode, read_timeout_seconds=60) as client:
        seen = {
            "asked": (await client.call_tool("test_simple_text", {}, meta=ASKING)).meta,
            "not asked": (await client.call_tool("test_simple_text", {})).meta,
            "list": (await client.list_tools(meta=ASKING, cache_mode="bypass")).meta,
        }
    print(json.dumps(seen))


asyncio.run(main())

"""One job with the official Python SDK at a connector: negotiate, list the tools, call one, read a resource, get a prompt. Prints JSON.

Arguments: address, tool, `auto` or `legacy`, and at all connectors as one the prefix of the one that is meant. The credential stands in the
environment, as BEARER.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def job(url: str, tool: str, mode: str, prefix: str = "") -> dict:
    headers = {"Authorization": f"Bearer {os.environ['BEARER']}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            listed = await client.list_tools()
            called = await client.call_tool(tool, {})
            read = await client.read_resource(f"{prefix}+test://static-text" if prefix else "test://static-text")
            prompt = await client.get_prompt(f"{prefix}_test_simple_prompt" if prefix else "test_simple_prompt")
            return {
                "version": str(client.protocol_version),
                "tools": [one.name for one in listed.tools],
                "said": called.content[0].text,
                "read": read.contents[0].text,
                "prompt": prompt.messages[0].content.text,
            }


print(json.dumps(asyncio.run(job(*sys.argv[1:5]))))

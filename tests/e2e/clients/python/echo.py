"""Visits a server that nobody here wrote: echo.py URL KEY MODE    MODE: legacy | 2026-07-28

Whatever it offers to every client beyond `echo` is tried when it is there.
"""

import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def text_of(result) -> str:
    return " ".join(block.text for block in result.content if block.type == "text")


async def visit(client: Client) -> list[str]:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert "echo" in tools, sorted(tools)
    result = await client.call_tool("echo", {"message": "Grüße"})
    assert text_of(result) == "Echo: Grüße", result
    tried = ["echo"]

    async def call(name: str, arguments: dict, wanted: str, **options) -> None:
        if name in tools:
            result = await client.call_tool(name, arguments, **options)
            assert wanted in text_of(result), (name, result)
            tried.append(name)

    await call("get-sum", {"a": 1, "b": 2}, "3")
    seen = []

    async def on_progress(progress, _total, _message) -> None:
        seen.append(progress)

    operation = {"duration": 0.2, "steps": 2}
    name = "trigger-long-running-operation"
    await call(name, operation, "completed", progress_callback=on_progress)
    assert name not in tools or seen == [1, 2], seen
    if "get-structured-content" in tools:
        result = await client.call_tool("get-structured-content", {"location": "New York"})
        assert "temperature" in result.structured_content, result
        tried.append("get-structured-content")
    return tried


async def main() -> None:
    url, key, mode = sys.argv[1:]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode) as client:
            print(" ".join(await visit(client)))


asyncio.run(main())

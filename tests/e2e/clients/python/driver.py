"""Drives an MCP endpoint with the official Python client.

driver.py URL KEY PREFIX MODE    MODE: legacy | 2026-07-28; PREFIX: of tool and prompt names
"""

import asyncio
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import CreateMessageResult, ElicitResult, TextContent

CHECKS = []


def check(claim: str, true: bool, seen: object = None) -> None:
    if not true:
        raise AssertionError(f"{claim}; seen: {seen!r}")
    CHECKS.append(claim)


def text_of(result) -> str:
    return " ".join(block.text for block in result.content if block.type == "text")


async def answer_elicitation(_context, params) -> ElicitResult:
    CHECKS.append(f"was asked: {params.message}")
    return ElicitResult(action="accept", content={"username": "ada", "email": "ada@example.com"})


async def answer_sampling(_context, _params) -> CreateMessageResult:
    return CreateMessageResult(
        role="assistant", content=TextContent(type="text", text="forty-two"), model="none"
    )


async def error_of(awaitable) -> MCPError | None:
    try:
        await awaitable
    except MCPError as error:
        return error
    return None


async def drive(client: Client, prefix: str, mode: str) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    simple = prefix + "test_simple_text"
    check("the simple tool is listed", simple in tools, sorted(tools))
    if mode != "legacy":
        check("the negotiated revision is the asked one", client.protocol_version == mode, client.protocol_version)
    check("every tool carries the prefix", all(name.startswith(prefix) for name in tools), sorted(tools))
    schema = tools[prefix + "json_schema_2020_12_tool"].input_schema
    check("schemas arrive unchanged", "$defs" in schema and "allOf" in schema, schema)

    result = await client.call_tool(simple, {})
    check("a tool answers", text_of(result) == "This is a simple text response for testing.", result)
    result = await client.call_tool(prefix + "test_multiple_content_types", {})
    kinds = [block.type for block in result.content]
    check("content keeps its kinds and order", kinds == ["text", "image", "resource"], kinds)
    result = await client.call_tool(prefix + "test_custom_header", {"value": "Grüße"})
    check("a mirrored argument arrives", text_of(result) == "Grüße", result)
    result = await client.call_tool(prefix + "test_error_handling", {})
    check("a tool's failure is a result", result.is_error is True, result)

    seen = []

    async def on_progress(progress: float, total: float | None, _message: str | None) -> None:
        seen.append((progress, total))

    await client.call_tool(prefix + "test_tool_with_progress", {}, progress_callback=on_progress)
    check("progress arrives in order", seen == [(0, 100), (50, 100), (100, 100)], seen)

    result = await client.call_tool(prefix + "test_elicitation", {"message": "Who are you?"})
    check("the server asked this user", "was asked: Who are you?" in CHECKS, CHECKS)
    check("the user's answer arrives", "ada@example.com" in text_of(result), result)
    result = await client.call_tool(prefix + "test_sampling", {"prompt": "What is the answer?"})
    check("the model's answer arrives", "forty-two" in text_of(result), result)

    prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
    check("prompts are listed", prefix + "test_prompt_with_arguments" in prompts, prompts)
    prompt = await client.get_prompt(
        prefix + "test_prompt_with_arguments", {"arg1": "one", "arg2": "two"}
    )
    check("a prompt takes its arguments", "arg1='one', arg2='two'" in prompt.messages[0].content.text)

    resources = (await client.list_resources()).resources
    static = [resource for resource in resources if "static-text" in str(resource.uri)]
    check("resources are listed", len(static) == 1, resources)
    contents = (await client.read_resource(str(static[0].uri))).contents
    check("a resource is read", "static text resource" in contents[0].text, contents)

    error = await error_of(client.call_tool(prefix + "no_such_tool", {}))
    check("an unknown tool is an error", error is not None)
    error = await error_of(client.get_prompt(prefix + "no_such_prompt"))
    check("an unknown prompt is an error", error is not None)

    calls = [client.call_tool(prefix + "greet", {"name": str(n)}) for n in range(16)]
    answers = [text_of(result) for result in await asyncio.gather(*calls)]
    check("answers find their questions", answers == [f"Hello, {n}!" for n in range(16)], answers)


async def main() -> None:
    url, key, prefix, mode = sys.argv[1:]
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(
            transport,
            mode=mode,
            elicitation_callback=answer_elicitation,
            sampling_callback=answer_sampling,
        ) as client:
            await drive(client, prefix, mode)
    print(f"{len(CHECKS)} checks passed")


asyncio.run(main())

"""Signs in at a protected endpoint with the official Python client, and uses it.

sign_in.py URL TOOL [CLIENT_METADATA_URL]

Nothing is told but the URL: where to sign in, and as which client, the endpoint says. The person at
the browser is asked for by `OPEN <address> <end>`; where they arrived is read from standard input.
"""

import asyncio
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

CALLBACK = "http://127.0.0.1:51763/callback"


class Memory(TokenStorage):
    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None
        self.saved = 0

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.saved += 1

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def open_browser(address: str) -> None:
    print(f"OPEN {address} {CALLBACK}", flush=True)


async def arrived() -> AuthorizationCodeResult:
    answer = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    query = parse_qs(urlsplit(answer.strip()).query)
    assert "code" in query, f"no code came back: {answer}"
    assert "iss" in query, f"the response does not say whose it is (RFC 9207): {answer}"
    return AuthorizationCodeResult(
        code=query["code"][0], state=query["state"][0], iss=query["iss"][0]
    )


async def use(url: str, provider: OAuthClientProvider, tool: str, mode: str) -> None:
    async with httpx2.AsyncClient(auth=provider, timeout=30) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            names = [listed.name for listed in (await client.list_tools()).tools]
            assert tool in names, names
            result = await client.call_tool(tool, {})
            assert not result.is_error, result


async def main() -> None:
    url, tool, *document = sys.argv[1:]
    storage = Memory()
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="A Python program", redirect_uris=[CALLBACK], grant_types=["authorization_code", "refresh_token"]
        ),
        storage=storage,
        redirect_handler=open_browser,
        callback_handler=arrived,
        client_metadata_url=document[0] if document else None,
    )
    await use(url, provider, tool, "legacy")
    if document:
        assert provider.context.client_info.client_id == document[0], provider.context.client_info
    first = storage.tokens
    assert first.refresh_token, first
    # An hour later: without a person.
    provider.context.token_expiry_time = 1
    await use(url, provider, tool, "2026-07-28")
    assert storage.tokens.access_token != first.access_token
    assert storage.tokens.refresh_token != first.refresh_token, "refresh tokens rotate"
    print(f"signed in, and stayed so; {storage.saved} times tokens came")


asyncio.run(main())
